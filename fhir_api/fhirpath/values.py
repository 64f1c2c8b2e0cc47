"""Values behind nodes: read, compared, shown (https://hl7.org/fhirpath/N1/#literals and #equality).

A JSON number is a Decimal here, by the text Python shows for it: 0.1 is 0.1. Trailing zeros (1.10) are those of the
stored bytes only; no operator asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, TypeAlias

import orjson

from fhir_api.fhirpath.errors import EvaluationError
from fhir_api.fhirpath.nodes import SYSTEM, Node, system_type
from terminology.ucum import UCUM, CanonicalUnit, canonical_unit

NUMBERS: Final = (int, Decimal)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, dateTime or time, as precise as it was written."""

    type: str
    """Date, DateTime or Time."""
    text: str
    parts: tuple[int | Decimal, ...]
    """Year, month, day, hour, minute, seconds; of a Time: hour, minute, seconds. As many as were written."""
    offset_minutes: int | None = None

    def aligned(self) -> tuple[int | Decimal, ...]:
        """The parts in UTC, where an offset was written and the minute is known."""
        if not self.offset_minutes or self.type != "DateTime" or len(self.parts) < 5:
            return self.parts
        year, month, day, hour, minute = (int(part) for part in self.parts[:5])
        try:
            local = datetime(year, month, day, hour, minute, tzinfo=timezone.utc)  # noqa: UP017
            utc = local - timedelta(minutes=self.offset_minutes)
        except (ValueError, OverflowError):
            return self.parts
        return (utc.year, utc.month, utc.day, utc.hour, utc.minute, *self.parts[5:])


@dataclass(frozen=True, slots=True)
class Quantity:
    """``unit`` is a UCUM code in quotes (``'mg'``), a calendar word (``year``), or a unit of a resource that is neither."""

    value: Decimal
    unit: str


Value: TypeAlias = str | bool | int | Decimal | Moment | Quantity

_MOMENT: Final = re.compile(
    r"(?:(\d{4})(?:-(\d\d)(?:-(\d\d))?)?)?(?:T?(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?(Z|[+-]\d\d:\d\d)?)?"
)
_WORDS: Final = frozenset(
    {"year", "month", "week", "day", "hour", "minute", "second", "millisecond"}
)


def moment(text: str, type: str) -> Moment | None:
    """The text as a Date, DateTime or Time; None where it is not one."""
    match = _MOMENT.fullmatch(f"T{text}" if type == "Time" else text)
    if match is None or not match[0] or (match[1] is None) != (type == "Time"):
        return None
    if type == "Date" and match[4] is not None:
        return None
    parts: list[int | Decimal] = [int(part) for part in match.groups()[:5] if part is not None]
    if match[6] is not None:
        parts.append(Decimal(match[6]))
    if not _in_calendar(parts, type):
        return None
    zone = match[7]
    offset = None
    if zone == "Z":
        offset = 0
    elif zone is not None:
        offset = int(zone[1:3]) * 60 + int(zone[4:])
        offset = -offset if zone[0] == "-" else offset
    return Moment(type, text, tuple(parts), offset)


def _in_calendar(parts: Sequence[int | Decimal], type_: str) -> bool:
    lows, highs = (1, 1, 1, 0, 0, 0), (9999, 12, 31, 23, 59, 60)
    skip = 3 if type_ == "Time" else 0
    return all(
        low <= part <= high
        for part, low, high in zip(parts, lows[skip:], highs[skip:], strict=False)
    )


def number(value: float) -> int | Decimal:
    """A JSON number as a number to calculate with."""
    return value if type(value) is int else Decimal(repr(value))


def value_of(node: Node) -> Value | None:
    """The simple value of a node: what FHIR's primitives and Quantity convert to. None where it has none."""
    value = node.value
    kind = system_type(node.type)
    if kind == "String":
        return value if type(value) is str else None
    if kind == "Boolean":
        return value if type(value) is bool else None
    if type(value) is str and kind in ("Date", "DateTime", "Time"):
        return moment(value, kind)
    if isinstance(value, Moment | Quantity | Decimal):
        return value
    if kind in ("Integer", "Decimal") and type(value) in (int, float):
        return number(value)
    if kind == "Quantity" and type(value) is dict:
        return _quantity(value)
    return None


def _quantity(value: dict[str, Any]) -> Quantity | None:
    amount, code, system, unit = (value.get(n) for n in ("value", "code", "system", "unit"))
    if type(amount) is not int and type(amount) is not float:
        return None
    if value.get("comparator") is not None:
        return None
    decimal = Decimal(number(amount))
    if type(code) is str and system in (UCUM, None):
        return Quantity(decimal, f"'{code}'")
    if type(code) is str:
        return Quantity(decimal, f"{system}|{code}")
    return Quantity(decimal, f"|{unit}" if type(unit) is str else "'1'")


_TYPES: Final = {str: "String", bool: "Boolean", int: "Integer", Decimal: "Decimal"}


def calculated(value: Value) -> Node:
    """A node for a value that stands in no resource."""
    if isinstance(value, Moment):
        return Node(value, SYSTEM + value.type)
    if isinstance(value, Quantity):
        return Node(value, "System.Quantity")
    return Node(value, SYSTEM + _TYPES[type(value)])


TRUE: Final = Node(True, "System.Boolean")  # noqa: FBT003
FALSE: Final = Node(False, "System.Boolean")  # noqa: FBT003


def singleton(nodes: Sequence[Node]) -> Node | None:
    """The one node, None where there is none.

    Raises:
        EvaluationError: there are several.
    """
    if len(nodes) > 1:
        raise EvaluationError("One element was expected, and there are several.")
    return nodes[0] if nodes else None


def truth_of(nodes: Sequence[Node]) -> bool | None:
    """The collection as a condition: a single value that is no boolean is true (N1, singleton evaluation)."""
    node = singleton(nodes)
    if node is None:
        return None
    if type(node.value) is bool:
        return node.value
    return True


def equal(left: Node, right: Node) -> bool | None:
    """``=`` of two nodes; None where two moments or quantities cannot be compared."""
    first, second = left.value, right.value
    if type(first) is str and type(second) is str:
        kinds = {system_type(left.type), system_type(right.type)}
        if first == second or "String" in kinds:
            return first == second
    if type(first) is dict and type(second) is dict:
        if first == second:
            return True
        if not (system_type(left.type) == "Quantity" == system_type(right.type)):
            return False
    one, other = value_of(left), value_of(right)
    if one is None or other is None:
        return False if first is not None and second is not None else left.extra == right.extra
    return _equal_values(one, other)


def _equal_values(one: Value, other: Value) -> bool | None:
    if isinstance(one, Moment) and isinstance(other, Moment):
        if (one.type == "Time") != (other.type == "Time"):
            return False
        order = _order_of_moments(one, other)
        return None if order is None else order == 0
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        units = _common_unit(one, other)
        return None if units is None else units[0] == units[1]
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, NUMBERS) and isinstance(other, NUMBERS):
        return one == other
    return type(one) is type(other) and one == other


def order(left: Node, right: Node) -> int | None:
    """-1, 0 or 1; None where the two cannot be told apart (precision, units) or have no value.

    Raises:
        EvaluationError: they are of kinds that have no order, or none between them.
    """
    if left.type in _DATES and right.type in _DATES:
        alike = _order_of_alike(left.value, right.value)
        if alike is not None:
            return alike
    one, other = value_of(left), value_of(right)
    if one is None or other is None:
        if left.value is None or right.value is None or "Quantity" in (left.type, right.type):
            return None
        raise EvaluationError("Elements of these types have no order.")
    if isinstance(one, Moment) and isinstance(other, Moment):
        return _order_of_moments(one, other)
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        amounts = _common_unit(one, other)
        return None if amounts is None else (amounts[0] > amounts[1]) - (amounts[0] < amounts[1])
    if isinstance(one, bool) or isinstance(other, bool):
        raise EvaluationError("Booleans have no order.")
    if isinstance(one, NUMBERS) and isinstance(other, NUMBERS):
        return (one > other) - (one < other)
    if isinstance(one, str) and isinstance(other, str):
        return (one > other) - (one < other)
    raise EvaluationError("Values of these two types have no order between them.")


_DATES: Final = frozenset({"date", "dateTime", "instant"})


def _order_of_alike(first: object, second: object) -> int | None:
    """The order of two dates that are written with one precision, in UTC if at all: it is that of their texts."""
    if type(first) is not str or type(second) is not str or len(first) != len(second):
        return None
    if len(first) > 10 and not (first.endswith("Z") and second.endswith("Z")):
        return None
    return (first > second) - (first < second)


def _order_of_moments(one: Moment, other: Moment) -> int | None:
    if (one.offset_minutes is None) != (other.offset_minutes is None) and min(
        len(one.parts), len(other.parts)
    ) > 3:
        return None
    first, second = one.aligned(), other.aligned()
    for a, b in zip(first, second, strict=False):
        if a != b:
            return -1 if a < b else 1
    return 0 if len(first) == len(second) else None


_UCUM_OF_WORD: Final = {
    "week": "'wk'",
    "day": "'d'",
    "hour": "'h'",
    "minute": "'min'",
    "second": "'s'",
    "millisecond": "'ms'",
}
"""UCUM's code for the same length of time; its year and month are not the calendar's."""
_WORD_OF_UCUM: Final = {code: word for word, code in _UCUM_OF_WORD.items()}


def _common_unit(one: Quantity, other: Quantity) -> tuple[Fraction, Fraction] | None:
    """Both amounts in one unit; None where they have none in common."""
    first, second = calendar_unit(one.unit) or one.unit, calendar_unit(other.unit) or other.unit
    if first == second:
        return Fraction(one.value), Fraction(other.value)
    ours = canonical_unit(_UCUM_OF_WORD.get(first, first).strip("'"))
    theirs = canonical_unit(_UCUM_OF_WORD.get(second, second).strip("'"))
    if ours is None or theirs is None or ours.code != theirs.code:
        return None
    return _in_base_units(one.value, ours), _in_base_units(other.value, theirs)


def _in_base_units(value: Decimal, unit: CanonicalUnit) -> Fraction:
    return (Fraction(value) * unit.numerator + unit.offset) / unit.denominator


def calendar_unit(unit: str) -> str | None:
    """``year``, ``month``, … for a calendar word, singular or plural, and for UCUM's code of the same length."""
    if unit.startswith("'"):
        return _WORD_OF_UCUM.get(unit)
    word = unit.removesuffix("s")
    return word if word in _WORDS else None


def equivalent(left: Node, right: Node) -> bool:
    """``~`` of two nodes: texts without regard to case and white space, numbers at the coarser precision."""
    one, other = value_of(left), value_of(right)
    if isinstance(one, str) and isinstance(other, str):
        return " ".join(one.casefold().split()) == " ".join(other.casefold().split())
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        amounts = _common_unit(one, other)
        return amounts is not None and round(amounts[0], 6) == round(amounts[1], 6)
    if isinstance(one, NUMBERS) and isinstance(other, NUMBERS) and type(one) is not bool:
        places = min(_decimal_places(one), _decimal_places(other))
        return round(Fraction(one), places) == round(Fraction(other), places)
    if type(left.value) is dict and type(right.value) is dict and one is None:
        ours = {k: v for k, v in left.value.items() if k != "id"}
        theirs = {k: v for k, v in right.value.items() if k != "id"}
        return ours.keys() == theirs.keys() and all(
            _similar(ours[name], theirs[name]) for name in ours
        )
    return bool(equal(left, right))


def _similar(one: Any, other: Any) -> bool:  # noqa: ANN401
    if type(one) is str and type(other) is str:
        return one.casefold() == other.casefold()
    if type(one) is list and type(other) is list:
        rest = list(other)
        for item in one:
            found = next((i for i, o in enumerate(rest) if _similar(item, o)), None)
            if found is None:
                return False
            del rest[found]
        return not rest
    if type(one) is dict and type(other) is dict:
        return one.keys() == other.keys() and all(_similar(one[n], other[n]) for n in one)
    return bool(one == other)


def _decimal_places(value: int | Decimal) -> int:
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def identity(node: Node) -> tuple[object, ...] | bytes:
    """A key that equal nodes share, so that sets can be used where the specification compares pairs."""
    value = value_of(node)
    if value is None:
        return orjson.dumps([node.value, node.extra], default=str, option=orjson.OPT_SORT_KEYS)
    if isinstance(value, bool):
        return ("Boolean", value)
    if isinstance(value, NUMBERS):
        return ("Number", Fraction(value))
    if isinstance(value, Moment):
        return ("Moment", value.type == "Time", value.aligned())
    return (type(value).__name__, value)


def text_of(node: Node) -> str | None:
    """``toString()`` of a node; None where it has no text."""
    value = value_of(node)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Moment):
        return value.text
    if isinstance(value, Quantity):
        return f"{value.value} {value.unit}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return None if value is None else str(value)


def decimal_of(text: str) -> Decimal | None:
    """A text as a decimal, None where it is none."""
    if re.fullmatch(r"[+-]?\d{1,100}(?:\.\d{1,100})?", text) is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
