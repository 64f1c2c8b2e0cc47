"""Search as a plain loop over dictionaries, straight from the docstrings of ``store.query`` and ``store.entries``.

It is slow and short, so that it can be read beside them; the backends are held to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

from store.entries import (
    CompositeEntry,
    DateEntry,
    Entry,
    NumberEntry,
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
    Query,
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


@dataclass(frozen=True)
class Resource:
    """A current, undeleted resource. ``created`` counts up in the order of creation."""

    type: str
    id: str
    created: int
    updated_us: int
    entries: tuple[Entry, ...]


def found(query: Query, resources: Sequence[Resource]) -> list[Resource]:
    """All that match, in the order of the query; ``after`` and ``limit`` are ignored."""
    matches = _met(resources, query.type, query.where, resources)

    def order(one: Resource, two: Resource) -> int:
        return _compare(one, two, query.sort)

    return sorted(matches, key=cmp_to_key(order))


def _met(
    among: Iterable[Resource],
    type: str,
    where: tuple[Condition, ...],
    resources: Sequence[Resource],
) -> list[Resource]:
    return [r for r in among if r.type == type and all(holds(c, r, resources) for c in where)]


def holds(condition: Condition, resource: Resource, resources: Sequence[Resource]) -> bool:
    """``resources``: all there are, for the joins."""
    match condition:
        case AnyOf(conditions):
            return any(holds(c, resource, resources) for c in conditions)
        case AllOf(conditions):
            return all(holds(c, resource, resources) for c in conditions)
        case Not(inner):
            return not holds(inner, resource, resources)
        case WithinTree(param, type):
            tree = _tree(condition, resources)
            return any(
                isinstance(e, ReferenceEntry)
                and e.param == param
                and e.target_type == type
                and e.target_id in tree
                for e in resource.entries
            )
        case RefersTo(param, type, where):
            targets = [r for r in resources if _refers(resource, param, r)]
            return bool(_met(targets, type, where, resources))
        case ReferredBy(type, param, where):
            sources = [r for r in resources if _refers(r, param, resource)]
            return bool(_met(sources, type, where, resources))
        case IdIn(ids):
            return resource.id in ids
        case UpdatedIs(compare, low, high):
            return _interval(compare, resource.updated_us, resource.updated_us + 1, low, high)
        case Present(param):
            return any(e.param == param for e in resource.entries)
    return any(
        _meets(condition, entry) for entry in resource.entries if entry.param == condition.param
    )


def _tree(tree: WithinTree, resources: Sequence[Resource]) -> set[str]:
    """The ids of what is in the tree, its root among them."""
    ids = {tree.id}
    while True:
        met = _met(resources, tree.type, tree.where, resources)
        if tree.above:
            more = {
                e.target_id
                for r in met
                if r.id in ids
                for e in r.entries
                if isinstance(e, ReferenceEntry)
                and (e.param, e.target_type) == (tree.via, tree.type)
                and e.target_id is not None
            }
        else:
            more = {
                r.id
                for r in met
                if any(
                    isinstance(e, ReferenceEntry)
                    and (e.param, e.target_type) == (tree.via, tree.type)
                    and e.target_id in ids
                    for e in r.entries
                )
            }
        if more <= ids:
            return ids
        ids |= more


def _refers(source: Resource, param: str, target: Resource) -> bool:
    return any(
        isinstance(e, ReferenceEntry)
        and (e.param, e.target_type, e.target_id) == (param, target.type, target.id)
        for e in source.entries
    )


def _meets(condition: Condition, entry: Entry) -> bool:
    match condition, entry:
        case TokenIs(system=system, code=code), TokenEntry():
            return _is(system, entry.system) and code in {None, entry.code}
        case TokenIn(system=system, codes=codes), TokenEntry():
            return _is(system, entry.system) and entry.code in codes
        case TokenText(normalised=text), TokenEntry():
            return bool(entry.text) and entry.text.startswith(text)
        case StringIs(match=StringMatch.STARTS, value=value), StringEntry():
            return entry.normalised.startswith(value)
        case StringIs(match=StringMatch.CONTAINS, value=value), StringEntry():
            return value in entry.normalised
        case StringIs(match=StringMatch.EXACT, value=value), StringEntry():
            return entry.exact == value
        case ReferenceIs(identifier=str(identifier)), ReferenceEntry():
            return entry.identifier == identifier
        case ReferenceIs(url=str(url)), ReferenceEntry():
            return entry.url == url
        case ReferenceIs(target_type=type, target_id=id), ReferenceEntry():
            return (
                entry.target_id is not None
                and id in {None, entry.target_id}
                and type in {None, entry.target_type}
            )
        case DateIs(), DateEntry():
            return _interval(
                condition.compare, entry.low_us, entry.high_us, condition.low_us, condition.high_us
            )
        case NumberIs(), NumberEntry():
            return _range(condition, entry)
        case QuantityIs(), QuantityEntry():
            return _range(condition, entry) and _unit(condition, entry)
        case UriIs(match=UriMatch.EXACT, uri=uri), UriEntry():
            return entry.uri == uri
        case UriIs(match=UriMatch.BELOW, uri=uri), UriEntry():
            return _under(entry.uri, uri)
        case UriIs(match=UriMatch.ABOVE, uri=uri), UriEntry():
            return _under(uri, entry.uri)
        case CompositeIs(parts=conditions), CompositeEntry(parts=values):
            return all(_meets(c, value) for c, value in zip(conditions, values, strict=True))
    return False


def _is(wanted: str | None, system: str | None) -> bool:
    return wanted is None or wanted == (system or "")


def _under(uri: str, above: str) -> bool:
    uri, above = uri.rstrip("/"), above.rstrip("/")
    return uri == above or uri.startswith(above + "/")


def _interval(compare: Compare, low: int, high: int, from_us: int, to_us: int) -> bool:
    """[low, high) of an entry against [from_us, to_us) of a search."""
    eq = from_us <= low and high <= to_us
    gt, lt = high > to_us, low < from_us
    return {
        Compare.EQ: eq,
        Compare.NE: not eq,
        Compare.GT: gt,
        Compare.LT: lt,
        Compare.GE: gt or eq,
        Compare.LE: lt or eq,
        Compare.SA: low >= to_us,
        Compare.EB: high <= from_us,
        Compare.AP: low < to_us and high > from_us,
    }[compare]


def _range(condition: NumberIs | QuantityIs, entry: NumberEntry | QuantityEntry) -> bool:
    value = condition.value
    eq = condition.low <= entry.low and entry.high < condition.high
    return {
        Compare.EQ: eq,
        Compare.NE: not eq,
        Compare.GT: entry.high > value,
        Compare.LT: entry.low < value,
        Compare.GE: entry.high >= value,
        Compare.LE: entry.low <= value,
        Compare.SA: entry.low > value,
        Compare.EB: entry.high < value,
        Compare.AP: entry.low < condition.high and entry.high >= condition.low,
    }[condition.compare]


def _unit(condition: QuantityIs, entry: QuantityEntry) -> bool:
    if condition.system is None:
        return condition.code is None or condition.code in {entry.code, entry.unit}
    return condition.system == (entry.system or "") and condition.code in {None, entry.code}


def _compare(one: Resource, two: Resource, sort: tuple[SortKey, ...]) -> int:
    for key in sort:
        a, b = _value(one, key), _value(two, key)
        if a == b:
            continue
        if a is None or b is None:
            return 1 if a is None else -1
        before = a > b if key.descending else a < b  # type: ignore[operator]
        return -1 if before else 1
    return one.created - two.created


def _value(resource: Resource, key: SortKey) -> str | float | None:
    if key.field is SortField.CREATED:
        return resource.created
    if key.field is SortField.ID:
        return resource.id
    if key.field is SortField.LAST_UPDATED:
        return resource.updated_us
    values = list(_values(resource, key))
    if not values:
        return None
    return max(values) if key.descending else min(values)


def _values(resource: Resource, key: SortKey) -> Iterator[str | float]:
    for entry in resource.entries:
        if entry.param != key.param:
            continue
        match key.field, entry:
            case SortField.TOKEN, TokenEntry():
                yield entry.code
            case SortField.STRING, StringEntry():
                yield entry.normalised
            case SortField.REFERENCE, ReferenceEntry():
                yield from (v for v in (entry.target_id, entry.url) if v is not None)
            case SortField.DATE, DateEntry():
                yield entry.high_us if key.descending else entry.low_us
            case SortField.NUMBER, NumberEntry(low=low, high=high):
                yield high if key.descending else low
            case SortField.QUANTITY, QuantityEntry(low=low, high=high):
                yield high if key.descending else low
            case SortField.URI, UriEntry():
                yield entry.uri
