"""Conditions on one value → SQL on the columns of an entry row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps
from types import MappingProxyType
from typing import Any, TypeAlias, assert_never

from store.query import (
    Compare,
    CompositeIs,
    DateIs,
    NumberIs,
    Part,
    QuantityIs,
    ReferenceIs,
    StringIs,
    StringMatch,
    TokenIn,
    TokenIs,
    TokenText,
    UriIs,
    UriMatch,
)
from store.sqlite.names import NO_SYSTEM, Kind, Names

OfValue: TypeAlias = (
    TokenIs
    | TokenIn
    | TokenText
    | StringIs
    | ReferenceIs
    | DateIs
    | NumberIs
    | QuantityIs
    | UriIs
    | CompositeIs
)
"""The conditions that one entry row meets or does not."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL with the values of its question marks, in order."""

    text: str
    values: tuple[Any, ...] = ()


NOTHING = Sql("0")
ANY_ROW = Sql("1")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the parts of a value stand in an entry row."""

    code: str = "code"
    """Of a token, or the id or url of a reference's target."""
    system: str = "system"
    identifier: str = "code"
    normalised: str = "normalised"
    exact: str = "exact"
    low: str = "low"
    high: str = "high"
    unit_code: str = "code"
    unit: str = "unit"


ALONE = Columns()
OF_PARTS = (
    ALONE,
    Columns(
        *("value2", "system2", "code2", "value2", "code2"), *("value2", "high2", "code2", "unit2")
    ),
    Columns(low="low3", high="high3"),
)
"""A value in a row of its own; then those of a composite's parts, in order."""


Match: TypeAlias = tuple[Kind, Sql, str | None]
"""The kind of row, what is asked of its columns, and the index that finds such rows without scanning all of the
parameter's. NOTHING: no row can meet it.
"""


def match_of(condition: OfValue, names: Names) -> Match:
    """What a condition asks of a row."""
    if isinstance(condition, TokenIs):
        index = "term_created" if condition.code is not None else None
        return Kind.TOKEN, _token(condition, names, ALONE), index
    if isinstance(condition, TokenIn):
        return Kind.TOKEN, _token_in(condition, names), "term_created"
    if isinstance(condition, TokenText):
        return Kind.TOKEN_TEXT, _prefix("normalised", condition.normalised), "text_normalised"
    if isinstance(condition, StringIs):
        indexed = condition.match is StringMatch.STARTS or condition.normalised is not None
        return Kind.STRING, _string(condition, ALONE), "text_normalised" if indexed else None
    if isinstance(condition, ReferenceIs):
        return _reference_match(condition, names)
    if isinstance(condition, DateIs):
        side = _SIDES[condition.compare]
        return Kind.DATE, _interval(condition, ALONE), side and f"date_{side}"
    if isinstance(condition, NumberIs):
        side = _SIDES[condition.compare]
        return Kind.NUMBER, _range(condition, ALONE), side and f"amount_{side}"
    if isinstance(condition, QuantityIs):
        side = _SIDES[condition.compare]
        return Kind.QUANTITY, _quantity(condition, names, ALONE), side and f"amount_{side}"
    if isinstance(condition, UriIs):
        return Kind.URI, _uri(condition), "term_created"
    if isinstance(condition, CompositeIs):
        return _composite_match(condition, names)
    raise TypeError(f"not a condition on a value: {type(condition).__name__}")


def _composite_match(condition: CompositeIs, names: Names) -> Match:
    parts = [
        _part(part, names, columns)
        for part, columns in zip(condition.parts, OF_PARTS, strict=False)
    ]
    first = condition.parts[0]
    coded = isinstance(first, TokenIs) and first.code is not None
    return Kind.COMPOSITE, _all_or_nothing(parts), "composite_found" if coded else None


def _part(part: Part, names: Names, columns: Columns) -> Sql:
    """A part of a composite."""
    match part:
        case TokenIs():
            return _token(part, names, columns)
        case StringIs():
            return _string(part, columns)
        case ReferenceIs():
            return _reference(part, names, columns)
        case DateIs():
            return _interval(part, columns)
        case NumberIs():
            return _range(part, columns)
        case QuantityIs():
            return _quantity(part, names, columns)
    assert_never(part)


def _system(system: str, names: Names) -> int | None:
    return NO_SYSTEM if system == "" else names.find(system)


def _token(condition: TokenIs, names: Names, columns: Columns) -> Sql:
    parts = []
    if condition.code is not None:
        parts.append(Sql(f"{columns.code} = ?", (condition.code,)))
    if condition.system is not None:
        number = _system(condition.system, names)
        parts.append(NOTHING if number is None else Sql(f"{columns.system} = ?", (number,)))
    return _all_or_nothing(parts)


def _token_in(condition: TokenIn, names: Names) -> Sql:
    number = _system(condition.system, names)
    if number is None or not condition.codes:
        return NOTHING
    text = "code IN (SELECT value FROM json_each(?)) AND system = ?"
    return Sql(text, (dumps(sorted(condition.codes)), number))


def _string(condition: StringIs, columns: Columns) -> Sql:
    if condition.match is StringMatch.STARTS:
        return _prefix(columns.normalised, condition.value)
    if condition.match is StringMatch.CONTAINS:
        return Sql(f"instr({columns.normalised}, ?) > 0", (condition.value,))
    parts = [Sql(f"{columns.exact} = ?", (condition.value,))]
    if condition.normalised is not None:
        parts.insert(0, Sql(f"{columns.normalised} = ?", (condition.normalised,)))
    return _all_or_nothing(parts)


def _reference_match(condition: ReferenceIs, names: Names) -> Match:
    kind = Kind.REFERENCE if condition.identifier is None else Kind.REFERENCE_IDENTIFIER
    whichever = condition.target_id is condition.url is condition.identifier is None
    return kind, _reference(condition, names, ALONE), None if whichever else "term_created"


def _reference(condition: ReferenceIs, names: Names, columns: Columns) -> Sql:
    if condition.identifier is not None:
        return Sql(f"{columns.identifier} = ?", (condition.identifier,))
    if condition.url is not None:
        return Sql(f"{columns.code} = ? AND {columns.system} = {NO_SYSTEM}", (condition.url,))
    parts = []
    if condition.target_id is not None:
        parts.append(Sql(f"{columns.code} = ?", (condition.target_id,)))
    if condition.target_type is None:
        parts.append(Sql(f"{columns.system} <> {NO_SYSTEM}"))
    else:
        number = names.find(condition.target_type)
        parts.append(NOTHING if number is None else Sql(f"{columns.system} = ?", (number,)))
    return _all_or_nothing(parts)


def _quantity(condition: QuantityIs, names: Names, columns: Columns) -> Sql:
    parts = [_range(condition, columns)]
    if condition.system is not None:
        number = _system(condition.system, names)
        parts.append(NOTHING if number is None else Sql(f"{columns.system} = ?", (number,)))
        if condition.code is not None:
            parts.append(Sql(f"{columns.unit_code} = ?", (condition.code,)))
    elif condition.code is not None:
        text = f"({columns.unit_code} = ? OR {columns.unit} = ?)"
        parts.append(Sql(text, (condition.code, condition.code)))
    return _all_or_nothing(parts)


def _all_or_nothing(parts: list[Sql]) -> Sql:
    return NOTHING if NOTHING in parts else joined("AND", parts, ANY_ROW)


def _prefix(column: str, prefix: str) -> Sql:
    above = _above(prefix)
    if above is None:
        return Sql(f"{column} >= ?", (prefix,))
    return Sql(f"{column} >= ? AND {column} < ?", (prefix, above))


def _above(prefix: str) -> str | None:
    """The least text greater than every text that begins with ``prefix``, by code points; None: there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at])
        if code < 0x10FFFF:
            return prefix[:at] + chr(0xE000 if code == 0xD7FF else code + 1)
    return None


_SIDES: Mapping[Compare, str | None] = MappingProxyType(
    {
        Compare.EQ: "low",
        Compare.NE: None,
        Compare.GT: "high",
        Compare.LT: "low",
        Compare.GE: "high",
        Compare.LE: "low",
        Compare.SA: "low",
        Compare.EB: "high",
        Compare.AP: "low",
    }
)
"""The end of an interval or a range by which an index finds what compares so; None: it would find nearly all."""


def _interval(condition: DateIs, columns: Columns) -> Sql:
    low, high = columns.low, columns.high
    since, until = condition.low_us, condition.high_us
    match condition.compare:
        case Compare.EQ:
            return Sql(f"{low} >= ? AND {low} <= ? AND {high} <= ?", (since, until, until))
        case Compare.NE:
            return Sql(f"({low} < ? OR {high} > ?)", (since, until))
        case Compare.GT:
            return Sql(f"{high} > ?", (until,))
        case Compare.LT:
            return Sql(f"{low} < ?", (since,))
        case Compare.GE:
            # gt or eq; the first term only bounds the index, as no interval ends before it begins.
            return Sql(f"{high} >= ? AND ({high} > ? OR {low} >= ?)", (since, until, since))
        case Compare.LE:
            return Sql(f"{low} <= ? AND ({low} < ? OR {high} <= ?)", (until, since, until))
        case Compare.SA:
            return Sql(f"{low} >= ?", (until,))
        case Compare.EB:
            return Sql(f"{high} <= ?", (since,))
        case Compare.AP:
            return Sql(f"{low} < ? AND {high} > ?", (until, since))
    assert_never(condition.compare)


def _range(condition: NumberIs | QuantityIs, columns: Columns) -> Sql:
    low, high = columns.low, columns.high
    value, least, beyond = condition.value, condition.low, condition.high
    match condition.compare:
        case Compare.EQ:
            return Sql(f"{low} >= ? AND {low} < ? AND {high} < ?", (least, beyond, beyond))
        case Compare.NE:
            return Sql(f"({low} < ? OR {high} >= ?)", (least, beyond))
        case Compare.GT:
            return Sql(f"{high} > ?", (value,))
        case Compare.LT:
            return Sql(f"{low} < ?", (value,))
        case Compare.GE:
            return Sql(f"{high} >= ?", (value,))
        case Compare.LE:
            return Sql(f"{low} <= ?", (value,))
        case Compare.SA:
            return Sql(f"{low} > ?", (value,))
        case Compare.EB:
            return Sql(f"{high} < ?", (value,))
        case Compare.AP:
            return Sql(f"{low} < ? AND {high} >= ?", (beyond, least))
    assert_never(condition.compare)


def _uri(condition: UriIs) -> Sql:
    uri = condition.uri
    if condition.match is UriMatch.EXACT:
        return Sql("code = ?", (uri,))
    if condition.match is UriMatch.BELOW:
        stem = uri.rstrip("/")
        inside = _prefix("code", stem + "/")
        return Sql(f"(code = ? OR ({inside.text}))", (stem, *inside.values))
    steps = uri.rstrip("/").split("/")
    above = ["/".join(steps[:end]) for end in range(1, len(steps) + 1)]
    texts = sorted({*above, *(text + "/" for text in above), uri})
    return Sql("code IN (SELECT value FROM json_each(?))", (dumps(texts),))


def joined(operator: str, parts: list[Sql], empty: Sql) -> Sql:
    """Joins as a balanced tree: SQLite limits the depth of an expression, not its size."""
    if not parts:
        return empty
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, right = joined(operator, parts[:middle], empty), joined(operator, parts[middle:], empty)
    return Sql(f"({left.text} {operator} {right.text})", left.values + right.values)
