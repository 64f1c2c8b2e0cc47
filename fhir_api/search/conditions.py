"""One value of a search parameter → the condition it sets on the index, by the parameter's type.

https://hl7.org/fhir/R4/search.html#ptypes. Commas, ``:not`` and ``:missing`` are a level above (criteria.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import product
from types import MappingProxyType
from typing import Any

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.document import ID
from fhir_api.search.coded import by_hierarchy, in_value_set
from fhir_api.search.criterion import Criterion, not_supported
from fhir_api.search.dates import interval_us
from fhir_api.search.grammar import prefixed, split, unescape
from fhir_api.search.index_values import CANONICAL
from fhir_api.search.normalise import normalise
from fhir_api.search.numbers import Precise, precise
from fhir_api.search.parameters import hierarchy_of, target_types
from fhir_api.search.reference_target import target_of
from store.query import (
    AnyOf,
    Compare,
    CompositeIs,
    Condition,
    DateIs,
    NumberIs,
    QuantityIs,
    ReferenceIs,
    StringIs,
    StringMatch,
    TokenIs,
    TokenText,
    UriIs,
    UriMatch,
    WithinTree,
)
from terminology.ucum import UCUM, canonical_unit

OF_TYPE = ":of-type"
"""What follows a token parameter's code in the index entries that ``:of-type`` reads."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


def string_condition(criterion: Criterion, value: str) -> Condition:
    """Starts with, ``:contains`` or ``:exact``."""
    text = unescape(value)
    match criterion.modifier:
        case "exact":
            return StringIs(criterion.code, StringMatch.EXACT, text, normalise(text))
        case "contains":
            return StringIs(criterion.code, StringMatch.CONTAINS, normalise(text))
        case _:
            return StringIs(criterion.code, StringMatch.STARTS, normalise(text))


def token_condition(criterion: Criterion, value: str) -> Condition:
    """``code``, ``system|code``, ``|code``, ``system|``; ``:text``; ``:of-type``; ``:in`` and ``:below`` (coded.py)."""
    match criterion.modifier:
        case "text":
            return TokenText(criterion.code, normalise(unescape(value)))
        case "in" | "not-in":
            return in_value_set(criterion, value)
        case "below" | "above":
            return by_hierarchy(criterion, value)
    parts = [unescape(part) for part in split(value, "|")]
    if criterion.modifier == "of-type":
        if len(parts) != 3 or not all(parts):
            raise criterion.refuse("':of-type' needs system|code|value")
        return TokenIs(criterion.code + OF_TYPE, f"{parts[0]}|{parts[1]}", parts[2])
    match parts:
        case [code]:
            return TokenIs(criterion.code, None, code)
        case [system, code] if system or code:
            return TokenIs(criterion.code, system, code or None)
    raise criterion.refuse("a token is code, system|code, |code or system|")


def reference_condition(criterion: Criterion, value: str) -> Condition:
    """An id, ``Type/id``, an absolute URL or a canonical; ``:Type``; ``:identifier``; ``:below`` and ``:above``."""
    if criterion.modifier == "identifier":
        return _identifier_condition(criterion, value)
    if criterion.modifier in {"below", "above"}:
        return _tree_condition(criterion, value)
    text = unescape(value)
    if ID.fullmatch(text):
        types = (criterion.modifier,) if criterion.modifier else target_types(criterion.parameter)
        # Where the reference can point at one type only, the index finds it by both.
        return ReferenceIs(criterion.code, types[0] if len(types) == 1 else None, text)
    target = target_of(text.partition("|")[0], criterion.reading.base_url)
    if target is not None and target.id is not None:
        if criterion.modifier not in (None, target.type):
            raise criterion.refuse("the modifier names one type and the value another")
        return ReferenceIs(criterion.code, target.type, target.id)
    if target is not None and criterion.modifier is None and _ABSOLUTE.match(text):
        return ReferenceIs(criterion.code, url=text if "|" in text else target.url)
    raise criterion.refuse("a reference is an id, Type/id or an absolute URL")


def _tree_condition(criterion: Criterion, value: str) -> Condition:
    """Where resources are part of one another: ``location:below=Location/1``
    (https://hl7.org/fhir/R4/search.html#recursive).
    """
    text = unescape(value)
    types = target_types(criterion.parameter)
    trees = [type for type in types if hierarchy_of(type) is not None]
    if not trees:
        why = f"no modifier ':{criterion.modifier}' for a reference to what is no hierarchy"
        raise not_supported(criterion.name, why)
    target = target_of(text, criterion.reading.base_url)
    type, id = (target.type, target.id) if target is not None and target.id else (None, None)
    if ID.fullmatch(text) and len(types) == 1:
        type, id = types[0], text
    via = hierarchy_of(type) if type in trees and type is not None else None
    if type is None or id is None or via is None:
        raise criterion.refuse(f"it needs {' or '.join(f'{tree}/id' for tree in trees)}")
    return WithinTree(criterion.code, type, id, via, above=criterion.modifier == "above")


def _identifier_condition(criterion: Criterion, value: str) -> Condition:
    """``Reference.identifier`` by its ``system|value``."""
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) != 2 or not parts[1]:
        raise criterion.refuse("':identifier' needs system|value or |value")
    return ReferenceIs(criterion.code, identifier=f"{parts[0]}|{parts[1]}")


def uri_condition(criterion: Criterion, value: str) -> Condition:
    """The whole URI, case and all; ``:below`` and ``:above`` by path."""
    how = {"below": UriMatch.BELOW, "above": UriMatch.ABOVE}.get(
        criterion.modifier or "", UriMatch.EXACT
    )
    return UriIs(criterion.code, how, unescape(value))


def date_range(criterion: Criterion, value: str) -> tuple[Compare, int, int]:
    """The prefix and the interval of a date, widened for ``ap`` by a tenth of its distance from now."""
    try:
        compare, text = prefixed(unescape(value))
        low, high = interval_us(text)
    except ValueError as error:
        raise criterion.refuse(
            "a date is [prefix]YYYY[-MM[-DD[Thh:mm[:ss[.s…]][Z|±hh:mm]]]]"
        ) from error
    if compare is Compare.AP:
        tenth = abs(criterion.reading.now_us - low) // 10
        low, high = low - tenth, high + tenth
    return compare, low, high


def date_condition(criterion: Criterion, value: str) -> Condition:
    """A date with prefix and precision."""
    return DateIs(criterion.code, *date_range(criterion, value))


def number_condition(criterion: Criterion, value: str) -> Condition:
    """A number with prefix and implied precision."""
    compare, number, low, high = _number(criterion, unescape(value))
    return NumberIs(criterion.code, compare, number.value, low, high)


def quantity_condition(criterion: Criterion, value: str) -> Condition:
    """``number``, ``number|system|code`` or ``number||code``. A UCUM unit finds every unit that it converts to."""
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) not in (1, 3):
        raise criterion.refuse("a quantity is number, number|system|code or number||code")
    compare, number, low, high = _number(criterion, parts[0])
    system, code = (parts[1] or None, parts[2] or None) if len(parts) == 3 else (None, None)
    base = canonical_unit(code) if system == UCUM and code else None
    if base is None:
        return QuantityIs(criterion.code, compare, number.value, low, high, system, code)
    try:
        amount = base.of(number.number)
        low, high = base.of(Decimal(repr(low))), base.of(Decimal(repr(high)))
    except OverflowError as error:
        raise criterion.refuse("it is beyond the range of numbers") from error
    # Rounding must not close the range upon its own value.
    low, high = min(low, amount), max(high, math.nextafter(amount, math.inf))
    return QuantityIs(criterion.code + CANONICAL, compare, amount, low, high, None, base.code)


def _number(criterion: Criterion, text: str) -> tuple[Compare, Precise, float, float]:
    try:
        compare, digits = prefixed(text)
        number = precise(digits)
    except ValueError as error:
        raise criterion.refuse("a number is [prefix]decimal, as in ge5.40") from error
    low, high = number.approximately() if compare is Compare.AP else (number.low, number.high)
    return compare, number, low, high


def composite_condition(criterion: Criterion, value: str) -> Condition:
    """``code$gt5``: values for every component, which one element must meet together."""
    components = criterion.parameter.components
    texts = split(value, "$")
    if len(texts) != len(components) or not all(texts):
        raise criterion.refuse(f"it is {len(components)} values with '$' between them")
    choices = [
        _alternatives(CONDITIONS[component.type](criterion.of(component), text))
        for component, text in zip(components, texts, strict=True)
    ]
    ways = tuple(
        CompositeIs(criterion.code + "".join(part.param for part in parts), parts)
        for parts in product(*choices)
    )
    return ways[0] if len(ways) == 1 else AnyOf(ways)


def _alternatives(condition: Condition) -> tuple[Any, ...]:
    return condition.conditions if isinstance(condition, AnyOf) else (condition,)


CONDITIONS: Mapping[str, Callable[[Criterion, str], Condition]] = MappingProxyType(
    {
        "string": string_condition,
        "token": token_condition,
        "reference": reference_condition,
        "uri": uri_condition,
        "date": date_condition,
        "number": number_condition,
        "quantity": quantity_condition,
        "composite": composite_condition,
    }
)

MODIFIERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "string": frozenset({"missing", "exact", "contains"}),
        "token": frozenset({"missing", "text", "not", "of-type", "in", "not-in", "below", "above"}),
        "reference": frozenset({"missing", "identifier", "below", "above"}) | RESOURCE_TYPES,
        "uri": frozenset({"missing", "below", "above"}),
        "date": frozenset({"missing"}),
        "number": frozenset({"missing"}),
        "quantity": frozenset({"missing"}),
        "composite": frozenset({"missing"}),
    }
)
"""What may follow the ':' by type (https://hl7.org/fhir/R4/search.html#modifiers)."""
