"""How values of each data type become index entries, by the rules of https://hl7.org/fhir/R4/search.html#ptypes.

Every function appends the entries of one value for each of ``params`` with ``add``. Values are plain JSON of which only
the outer shape is known; a part that is not what it should be is left out of the index.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice, product
from typing import Any, TypeAlias

from fhir_api.search.dates import OPEN_HIGH_US, OPEN_LOW_US, interval_us
from fhir_api.search.normalise import normalise
from store.entries import (
    CompositeEntry,
    DateEntry,
    Entry,
    NumberEntry,
    QuantityEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from terminology.ucum import UCUM, canonical_unit

Add: TypeAlias = Callable[[Entry], object]
Params: TypeAlias = tuple[str, ...]
Json: TypeAlias = dict[str, Any]
Unit: TypeAlias = tuple[str | None, str | None, str | None]
"""System, code and the unit as text."""

SPECIAL_VALUES = "http://terminology.hl7.org/CodeSystem/special-values"
"""The implicit system of booleans (https://hl7.org/fhir/R4/search.html#token)."""
CURRENCIES = "urn:iso:std:iso:4217"

MOST_COMBINATIONS = 1_000
"""Of one element under one composite: a client chooses how many codings a concept has."""
LONGEST_DATE = 64
"""No date needs more; fractions of a second may be written longer, and are not indexed then."""
CANONICAL = ":canonical"
"""What follows a quantity parameter's code in the index entries that hold it in UCUM's base units."""
HUMAN_NAME_PARTS = ("family", "given", "prefix", "suffix", "text")
ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")


def code_token(
    add: Add, params: Params, value: str, systems: Mapping[str, str], system: str | None
) -> None:
    """A code; its system is implied by the ValueSet it is bound to."""
    implied = systems.get(value, system)
    for param in params:
        add(TokenEntry(param, implied, value))


def text_token(add: Add, params: Params, value: str) -> None:
    """A string, id or uri that is searched as a token."""
    for param in params:
        add(TokenEntry(param, None, value, identifying=True))


def boolean_token(add: Add, params: Params, value: bool) -> None:  # noqa: FBT001
    for param in params:
        add(TokenEntry(param, SPECIAL_VALUES, "true" if value else "false"))


def coding_token(add: Add, params: Params, value: Json) -> None:
    code = _text(value, "code")
    display = _text(value, "display")
    if code is None and display is None:
        return
    system = _text(value, "system")
    text = normalise(display) if display else ""
    for param in params:
        add(TokenEntry(param, system, code or "", text))


def concept_token(add: Add, params: Params, value: Json) -> None:
    """A CodeableConcept: each coding, and ``text`` on those that have no display, or else on its own."""
    text = _text(value, "text")
    words = normalise(text) if text else ""
    placed = not words
    codings = value.get("coding")
    for coding in codings if type(codings) is list else ():
        if type(coding) is not dict:
            continue
        code = _text(coding, "code")
        display = _text(coding, "display")
        if code is None and display is None:
            continue
        system = _text(coding, "system")
        label = normalise(display) if display else words
        placed = placed or label == words
        for param in params:
            add(TokenEntry(param, system, code or "", label))
    if not placed:
        for param in params:
            add(TokenEntry(param, None, "", words))


def identifier_token(add: Add, params: Params, value: Json) -> None:
    """An Identifier, and for ``:of-type`` the entry ``<param>:of-type`` with system ``<type system>|<type code>``."""
    number = _text(value, "value")
    if number is None:
        return
    type_ = value.get("type")
    concept: Json = type_ if type(type_) is dict else {}
    text = _text(concept, "text")
    label = normalise(text) if text else ""
    system = _text(value, "system")
    for param in params:
        add(TokenEntry(param, system, number, label, identifying=True, guarding=True))
    codings = concept.get("coding")
    for coding in codings if type(codings) is list else ():
        if type(coding) is dict and _text(coding, "code") is not None:
            kind = f"{_text(coding, 'system') or ''}|{coding['code']}"
            for param in params:
                add(TokenEntry(f"{param}:of-type", kind, number, identifying=True))


def contact_point_token(add: Add, params: Params, value: Json) -> None:
    """A ContactPoint: ``phone|555-1234`` finds it, and so does the bare value."""
    number = _text(value, "value")
    if number is not None:
        system = _text(value, "system")
        for param in params:
            add(TokenEntry(param, system, number, identifying=True))


def string(add: Add, params: Params, value: str) -> None:
    normalised = normalise(value)
    for param in params:
        add(StringEntry(param, normalised, value))


def human_name(add: Add, params: Params, value: Json) -> None:
    for part in _parts(value, HUMAN_NAME_PARTS):
        string(add, params, part)


def address(add: Add, params: Params, value: Json) -> None:
    for part in _parts(value, ADDRESS_PARTS):
        string(add, params, part)


def moment(add: Add, params: Params, value: str) -> None:
    """A date, dateTime or instant: the interval that its precision covers."""
    interval = _interval(value)
    if interval is not None:
        for param in params:
            add(DateEntry(param, *interval))


def period(add: Add, params: Params, value: Json) -> None:
    """A Period: from the begin of its start to the end of its end; open where one is missing."""
    interval = _period(value)
    if interval is not None:
        for param in params:
            add(DateEntry(param, *interval))


def timing(add: Add, params: Params, value: Json) -> None:
    """A Timing: its outer limits only (https://hl7.org/fhir/R4/search.html#date)."""
    events = value.get("event")
    intervals = [_interval(event) for event in (events if type(events) is list else ())]
    repeat = value.get("repeat")
    bounds = repeat.get("boundsPeriod") if type(repeat) is dict else None
    if type(bounds) is dict:
        intervals.append(_period(bounds))
    known = [interval for interval in intervals if interval is not None]
    if known:
        low, high = min(low for low, _ in known), max(high for _, high in known)
        for param in params:
            add(DateEntry(param, low, high))


def number(add: Add, params: Params, value: float) -> None:
    for param in params:
        add(NumberEntry(param, float(value), float(value)))


def number_range(add: Add, params: Params, value: Json) -> None:
    low, high = _amount(value.get("low")), _amount(value.get("high"))
    if low is not None or high is not None:
        for param in params:
            add(NumberEntry(param, *_bounds(low, high)))


def quantity(add: Add, params: Params, value: Json) -> None:
    """A Quantity; with a comparator, the range that it leaves open."""
    amount = _amount(value)
    if amount is None:
        return
    low = high = amount
    comparator = value.get("comparator")
    if comparator in ("<", "<="):
        low = -math.inf
    elif comparator in (">", ">="):
        high = math.inf
    _quantity(add, params, low, high, _unit(value))


def quantity_range(add: Add, params: Params, value: Json) -> None:
    low, high = _amount(value.get("low")), _amount(value.get("high"))
    if low is not None or high is not None:
        unit = _unit(value["high"] if low is None else value["low"])
        _quantity(add, params, *_bounds(low, high), unit)


def _quantity(add: Add, params: Params, low: float, high: float, unit: Unit) -> None:
    """As it was sent; and in base units, so that 5.4 mg are found as 0.0054 g. Other systems' units have no base."""
    for param in params:
        add(QuantityEntry(param, low, high, *unit))
    system, code, _ = unit
    base = canonical_unit(code) if system == UCUM and code else None
    if base is not None:
        try:
            low = low if math.isinf(low) else base.of(Decimal(repr(low)))
            high = high if math.isinf(high) else base.of(Decimal(repr(high)))
        except OverflowError:
            return
        for param in params:
            add(QuantityEntry(param + CANONICAL, low, high, None, base.code))


def money(add: Add, params: Params, value: Json) -> None:
    amount = _amount(value)
    if amount is not None:
        currency = _text(value, "currency")
        for param in params:
            add(QuantityEntry(param, amount, amount, CURRENCIES, currency, currency))


def uri(add: Add, params: Params, value: str) -> None:
    for param in params:
        add(UriEntry(param, value))


def canonical_uri(add: Add, params: Params, value: str) -> None:
    """A canonical: with its version and without."""
    url, bar, _ = value.partition("|")
    uri(add, params, value)
    if bar:
        uri(add, params, url)


def composite(
    add: Add,
    param: str,
    parts: tuple[tuple[Callable[[Json, Add, str], None], Json], ...],
    base_url: str,
) -> None:
    """An element that holds a value for every part: an entry for each combination of them.

    ``parts``: what finds the values, and where; their entries have no parameter, or ``:canonical``, as ``param`` then.
    """
    found: list[list[Any]] = []
    for extract, element in reversed(parts):  # the last is the one that is mostly missing
        values: list[Any] = []
        extract(element, values.append, base_url)
        if not values:
            return
        found.insert(0, values)
    for combination in islice(product(*found), MOST_COMBINATIONS):
        add(CompositeEntry(param + "".join(part.param for part in combination), combination))


def _text(value: Json, member: str) -> str | None:
    found = value.get(member)
    return found if type(found) is str else None


def _parts(value: Json, members: tuple[str, ...]) -> Iterator[str]:
    for member in members:
        part = value.get(member)
        if type(part) is str:
            yield part
        elif type(part) is list:
            yield from (item for item in part if type(item) is str)


def _interval(value: object) -> tuple[int, int] | None:
    if type(value) is not str or len(value) > LONGEST_DATE:
        return None
    try:
        return interval_us(value)
    except ValueError:
        return None


def _period(value: Json) -> tuple[int, int] | None:
    start, end = _interval(value.get("start")), _interval(value.get("end"))
    if start is None and end is None:
        return None
    return (start[0] if start else OPEN_LOW_US), (end[1] if end else OPEN_HIGH_US)


def _amount(value: object) -> float | None:
    amount = value.get("value") if type(value) is dict else None
    return float(amount) if type(amount) is float or type(amount) is int else None


def _bounds(low: float | None, high: float | None) -> tuple[float, float]:
    return (-math.inf if low is None else low), (math.inf if high is None else high)


def _unit(value: Json) -> Unit:
    return _text(value, "system"), _text(value, "code"), _text(value, "unit")
