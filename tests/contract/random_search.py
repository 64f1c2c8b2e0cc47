"""Random entries and queries from small alphabets, so that they meet often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from hypothesis import strategies as st

from store.entries import (
    CompositeEntry,
    DateEntry,
    Entry,
    NumberEntry,
    Part,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from store.query import (
    AllOf,
    AnyOf,
    Compare,
    CompositeIs,
    Condition,
    DateIs,
    IdIn,
    Not,
    NumberIs,
    Present,
    QuantityIs,
    ReferenceIs,
    ReferredBy,
    RefersTo,
    SortField,
    SortKey,
    StringIs,
    StringMatch,
    TokenIn,
    TokenIs,
    TokenText,
    UpdatedIs,
    UriIs,
    UriMatch,
    WithinTree,
)
from store.query import Part as OfPart

IDS = ("a", "b", "C", "d-1")
TYPES = ("Patient", "Task")
THIS, OTHER = "This", "Other"
"""Stand for the two types of an example, which refer to each other and to themselves."""
STORED_IDS = ("r0", "r1", "r2", "r3")
SYSTEMS = ("urn:one", "urn:two")
TEXTS = ("", "a", "ab", "abc", "b", "ż", "ab%_", "\ud7ff", "\U0010ffff", "ab\U0010ffff", "a'b\"")
URIS = ("http://x", "http://x/", "http://x/a", "http://x/a/b", "http://xa", "urn:oid:1.2")
NUMBERS = (-1.5, 0.0, 1.0, 1.05, 2.0, 100.0)
TIMES_US = (0, 5, 10, 15, 20, 30)

_system = st.sampled_from((None, *SYSTEMS))
_searched_system = st.sampled_from((None, "", *SYSTEMS, "urn:unknown"))
_text = st.sampled_from(TEXTS)
_compare = st.sampled_from(list(Compare))
_times = st.tuples(st.sampled_from(TIMES_US), st.sampled_from((1, 5, 10))).map(
    lambda t: (t[0], t[0] + t[1])
)
_numbers = st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)).map(sorted)


def _reference(param: str) -> st.SearchStrategy[ReferenceEntry]:
    by_target = st.builds(
        ReferenceEntry,
        st.just(param),
        st.sampled_from(TYPES),
        st.sampled_from(IDS),
        identifier=st.sampled_from((None, "urn:one|a")),
    )
    by_stored_target = st.builds(
        ReferenceEntry, st.just(param), st.sampled_from((THIS, OTHER)), st.sampled_from(STORED_IDS)
    )
    by_url = st.builds(ReferenceEntry, st.just(param), url=st.sampled_from(URIS))
    by_identifier = st.builds(ReferenceEntry, st.just(param), identifier=st.just("urn:one|a"))
    return by_target | by_stored_target | by_stored_target | by_url | by_identifier


_token_entry = st.builds(TokenEntry, st.just(""), _system, _text)
_number_entry = st.builds(lambda n: NumberEntry("", *n), _numbers)
_quantity_entry = st.builds(
    lambda n, system, code, unit: QuantityEntry("value", n[0], n[1], system, code, unit),
    _numbers,
    _system,
    st.sampled_from((None, "mg", "g")),
    st.sampled_from((None, "mg", "grams")),
)
_SECOND_ENTRIES: dict[str, st.SearchStrategy[Part]] = {
    "code-token": _token_entry,
    "code-string": st.builds(StringEntry, st.just(""), _text, _text),
    "code-reference": _reference(""),
    "code-date": st.builds(lambda t: DateEntry("", *t), _times),
    "code-quantity": _quantity_entry,
}


def _composite(param: str, *parts: st.SearchStrategy[Part]) -> st.SearchStrategy[CompositeEntry]:
    return st.builds(CompositeEntry, st.just(param), st.tuples(*parts))


ENTRY: st.SearchStrategy[Entry] = st.one_of(
    st.one_of(*(_composite(p, _token_entry, second) for p, second in _SECOND_ENTRIES.items())),
    _composite("triple", _token_entry, _number_entry, _number_entry),
    st.builds(TokenEntry, st.just("status"), _system, _text, _text),
    st.builds(TokenEntry, st.just("code"), _system, _text, _text, st.booleans(), st.booleans()),
    st.builds(StringEntry, st.just("name"), _text, _text),
    _reference("subject"),
    _reference("focus"),
    st.builds(lambda t: DateEntry("date", *t), _times),
    st.builds(lambda n: NumberEntry("number", *n), _numbers),
    _quantity_entry,
    st.builds(UriEntry, st.just("url"), st.sampled_from(URIS)),
    # One parameter of two kinds.
    st.builds(UriEntry, st.just("code"), st.sampled_from(URIS)),
)
ENTRIES = st.lists(ENTRY, max_size=6).map(tuple)

_token_is = st.builds(TokenIs, st.just(""), _searched_system, st.none() | _text)
_number_is = st.builds(
    lambda compare, value: NumberIs("number", compare, value, value - 0.5, value + 0.5),
    _compare,
    st.sampled_from(NUMBERS),
)
_date_is = st.builds(lambda compare, t: DateIs("date", compare, *t), _compare, _times)
_quantity_is = st.builds(
    lambda compare, value, system, code: QuantityIs(
        "value", compare, value, value - 0.5, value + 0.5, system, code
    ),
    _compare,
    st.sampled_from(NUMBERS),
    _searched_system,
    st.sampled_from((None, "mg", "g", "grams")),
)
_string_is = st.builds(StringIs, st.just("name"), st.sampled_from(list(StringMatch)), _text)
_reference_is = st.one_of(
    st.builds(
        ReferenceIs,
        st.just("subject"),
        st.sampled_from((None, *TYPES, THIS, "Unknown")),
        st.sampled_from((*IDS, *STORED_IDS)),
    ),
    st.builds(ReferenceIs, st.just("subject"), st.sampled_from((THIS, OTHER, "Unknown"))),
    st.builds(ReferenceIs, st.just("subject"), url=st.sampled_from(URIS)),
    st.builds(
        ReferenceIs, st.just("subject"), identifier=st.sampled_from(("urn:one|a", "urn:one|b"))
    ),
)
_SECOND_CONDITIONS: dict[str, st.SearchStrategy[OfPart]] = {
    "code-token": _token_is,
    "code-string": _string_is,
    "code-reference": _reference_is,
    "code-date": _date_is,
    "code-quantity": _quantity_is,
}


def _composite_is(param: str, *parts: st.SearchStrategy[OfPart]) -> st.SearchStrategy[CompositeIs]:
    return st.builds(CompositeIs, st.just(param), st.tuples(*parts))


_LEAF: st.SearchStrategy[Condition] = st.one_of(
    st.one_of(*(_composite_is(p, _token_is, second) for p, second in _SECOND_CONDITIONS.items())),
    _composite_is("triple", _token_is, _number_is, _number_is),
    st.builds(
        TokenIs, st.sampled_from(("status", "code", "none")), _searched_system, st.none() | _text
    ),
    st.builds(
        TokenIn,
        st.sampled_from(("status", "code", "none")),
        st.sampled_from(("", *SYSTEMS, "urn:unknown")),
        st.frozensets(_text, max_size=4),
    ),
    st.builds(TokenText, st.sampled_from(("status", "code")), _text),
    _string_is,
    _reference_is,
    _date_is,
    _number_is,
    _quantity_is,
    st.builds(
        UriIs,
        st.sampled_from(("url", "code")),
        st.sampled_from(list(UriMatch)),
        st.sampled_from(URIS),
    ),
    st.builds(
        Present,
        st.sampled_from(("status", "code", "name", "subject", "date", "value", "triple", "none")),
    ),
    st.builds(
        IdIn, st.lists(st.sampled_from(("r0", "r1", "r2", "r9", "no")), max_size=4).map(tuple)
    ),
    st.builds(lambda compare, t: UpdatedIs(compare, *t), _compare, _times),
)
CONDITION: st.SearchStrategy[Condition] = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=5,
)


_TREE = st.builds(
    WithinTree,
    st.sampled_from(("subject", "focus", "none")),
    st.sampled_from((THIS, OTHER, "Unknown")),
    st.sampled_from(STORED_IDS),
    st.sampled_from(("subject", "focus", "none")),
    st.booleans(),
    st.lists(_LEAF, max_size=1).map(tuple),
)


def _joins(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    param = st.sampled_from(("subject", "focus", "none"))
    type = st.sampled_from((THIS, OTHER, "Unknown"))
    where = st.lists(inner, max_size=2).map(tuple)
    return st.builds(RefersTo, param, type, where) | st.builds(ReferredBy, type, param, where)


JOIN: st.SearchStrategy[Condition] = st.recursive(
    _joins(_LEAF) | _TREE,
    lambda inner: st.one_of(
        _joins(inner),
        _joins(inner | _LEAF),
        st.builds(Not, inner),
        st.builds(AnyOf, st.tuples(inner, inner)),
    ),
    max_leaves=3,
)
WHERE = st.lists(CONDITION | JOIN, max_size=3).map(tuple)

_SORT_KEY = st.one_of(
    st.builds(
        SortKey,
        st.sampled_from((SortField.CREATED, SortField.ID, SortField.LAST_UPDATED)),
        st.none(),
        st.booleans(),
    ),
    st.builds(
        lambda field_param, descending: SortKey(field_param[0], field_param[1], descending),
        st.sampled_from(
            (
                (SortField.TOKEN, "status"),
                (SortField.TOKEN, "none"),
                (SortField.STRING, "name"),
                (SortField.REFERENCE, "subject"),
                (SortField.DATE, "date"),
                (SortField.NUMBER, "number"),
                (SortField.QUANTITY, "value"),
                (SortField.URI, "url"),
            )
        ),
        st.booleans(),
    ),
)
SORT = st.lists(_SORT_KEY, max_size=3).map(tuple)


def typed(value: Any, types: Mapping[str, str]) -> Any:
    """Entries or conditions with the names of an example's types in place of THIS and OTHER."""
    if isinstance(value, tuple):
        return tuple(typed(item, types) for item in value)
    if isinstance(value, type) or not is_dataclass(value):
        return value
    changed = {
        f.name: types.get(old, old) if f.name in ("type", "target_type") else typed(old, types)
        for f in fields(value)
        if (old := getattr(value, f.name)) is not None
    }
    return replace(cast("Any", value), **changed)
