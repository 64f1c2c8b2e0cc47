"""Operators between collections (https://hl7.org/fhirpath/N1/#operations)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal, DecimalException
from typing import Final

from fhir_api.fhirpath.errors import EvaluationError
from fhir_api.fhirpath.evaluation import Evaluation, Run, Test
from fhir_api.fhirpath.functions.collections import distinct, keys_of
from fhir_api.fhirpath.functions.numbers import ARITHMETIC
from fhir_api.fhirpath.functions.text import concatenated
from fhir_api.fhirpath.nodes import Node
from fhir_api.fhirpath.values import (
    Moment,
    Quantity,
    Value,
    calculated,
    calendar_unit,
    equal,
    equivalent,
    identity,
    moment,
    order,
    singleton,
    text_of,
    value_of,
)


def _equals(left: list[Node], right: list[Node], evaluation: Evaluation) -> bool | None:
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    evaluation.spend(len(left))
    unknown = False
    for one, other in zip(left, right, strict=True):
        same = equal(one, other)
        if same is False:
            return False
        unknown = unknown or same is None
    return None if unknown else True


def _differs(left: list[Node], right: list[Node], evaluation: Evaluation) -> bool | None:
    same = _equals(left, right, evaluation)
    return None if same is None else not same


def _is_equivalent(left: list[Node], right: list[Node], evaluation: Evaluation) -> bool:
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        evaluation.spend(len(rest))
        found = next((i for i, other in enumerate(rest) if equivalent(one, other)), None)
        if found is None:
            return False
        del rest[found]
    return True


def _is_not_equivalent(left: list[Node], right: list[Node], evaluation: Evaluation) -> bool:
    return not _is_equivalent(left, right, evaluation)


def _ordered(decide: Callable[[int], bool]) -> Comparison:
    def compare(left: list[Node], right: list[Node], _evaluation: Evaluation) -> bool | None:
        one, other = singleton(left), singleton(right)
        if one is None or other is None:
            return None
        found = order(one, other)
        return None if found is None else decide(found)

    return compare


def _in(left: list[Node], right: list[Node], evaluation: Evaluation) -> bool | None:
    one = singleton(left)
    if one is None:
        return None
    return identity(one) in keys_of(right, evaluation)


def _contains(left: list[Node], right: list[Node], evaluation: Evaluation) -> bool | None:
    return _in(right, left, evaluation)


Comparison = Callable[[list[Node], list[Node], Evaluation], bool | None]

COMPARISONS: Final[Mapping[str, Comparison]] = {
    "=": _equals,
    "!=": _differs,
    "~": _is_equivalent,
    "!~": _is_not_equivalent,
    "<": _ordered(lambda found: found < 0),
    "<=": _ordered(lambda found: found <= 0),
    ">": _ordered(lambda found: found > 0),
    ">=": _ordered(lambda found: found >= 0),
    "in": _in,
    "contains": _contains,
}


def conjunction(left: Test, right: Test) -> Test:
    """``and`` of three-valued logic (https://hl7.org/fhirpath/N1/#boolean-logic)."""

    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        one = left(this, evaluation)
        if one is False:
            return False
        other = right(this, evaluation)
        return other if one or other is False else None

    return test


def disjunction(left: Test, right: Test) -> Test:
    """``or``"""

    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        one = left(this, evaluation)
        if one:
            return True
        other = right(this, evaluation)
        return True if other else (other if one is False else None)

    return test


def implication(left: Test, right: Test) -> Test:
    """``implies``"""

    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        one = left(this, evaluation)
        if one is False:
            return True
        other = right(this, evaluation)
        return other if one or other else None

    return test


def exclusion(left: Test, right: Test) -> Test:
    """``xor``"""

    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        one, other = left(this, evaluation), right(this, evaluation)
        return None if one is None or other is None else one is not other

    return test


LOGIC: Final[Mapping[str, Callable[[Test, Test], Test]]] = {
    "and": conjunction,
    "or": disjunction,
    "implies": implication,
    "xor": exclusion,
}


def union(left: list[Node], right: list[Node], evaluation: Evaluation) -> list[Node]:
    """``|``"""
    return distinct([*left, *right], evaluation)


def joined(left: list[Node], right: list[Node], _evaluation: Evaluation) -> list[Node]:
    """``&``: texts, of which an absent one counts as empty."""
    one, other = singleton(left), singleton(right)
    return [
        calculated(
            concatenated(
                "" if one is None else text_of(one) or "",
                "" if other is None else text_of(other) or "",
            )
        )
    ]


def _arithmetic(operator: str) -> Callable[[list[Node], list[Node], Evaluation], list[Node]]:
    calculate = _CALCULATIONS[operator]

    def apply(left: list[Node], right: list[Node], _evaluation: Evaluation) -> list[Node]:
        one, other = singleton(left), singleton(right)
        if one is None or other is None:
            return []
        first, second = value_of(one), value_of(other)
        if first is None or second is None:
            return []
        try:
            result = _calculated(operator, calculate, first, second)
        except (DecimalException, OverflowError):
            return []
        return [] if result is None else [calculated(result)]

    return apply


def _calculated(
    operator: str,
    calculate: Callable[[Decimal, Decimal], Decimal | None],
    one: Value,
    other: Value,
) -> Value | None:
    if operator == "+" and isinstance(one, str) and isinstance(other, str):
        return concatenated(one, other)
    if isinstance(one, Moment) and isinstance(other, Quantity) and operator in "+-":
        return shifted(one, other if operator == "+" else Quantity(-other.value, other.unit))
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        return _quantities(operator, calculate, _measured(one), _measured(other))
    for value in (one, other):
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise EvaluationError(f"Values of these types cannot be combined with '{operator}'.")
    result = calculate(Decimal(one), Decimal(other))  # type: ignore[arg-type]
    whole = isinstance(one, int) and isinstance(other, int) and operator != "/"
    return int(result) if result is not None and (whole or operator == "div") else result


def _measured(value: Value) -> Quantity:
    """A quantity as it is; a number as one of unit 1."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise EvaluationError("A quantity can only be combined with a quantity or a number.")
    return Quantity(Decimal(value), "'1'")


def _quantities(
    operator: str,
    calculate: Callable[[Decimal, Decimal], Decimal | None],
    one: Quantity,
    other: Quantity,
) -> Quantity | None:
    if operator in "+-" and one.unit != other.unit:
        return None
    result = calculate(one.value, other.value)
    if result is None:
        return None
    if operator in "+-":
        return Quantity(result, one.unit)
    if operator == "/" and one.unit == other.unit:
        return Quantity(result, "'1'")
    if operator == "*" and "'1'" in (one.unit, other.unit):
        return Quantity(result, other.unit if one.unit == "'1'" else one.unit)
    return None


def _div(one: Decimal, other: Decimal) -> Decimal | None:
    return ARITHMETIC.divide(one, other).to_integral_value(ROUND_DOWN) if other else None


def _mod(one: Decimal, other: Decimal) -> Decimal | None:
    return ARITHMETIC.remainder(one, other) if other else None


_CALCULATIONS: Final[Mapping[str, Callable[[Decimal, Decimal], Decimal | None]]] = {
    "+": ARITHMETIC.add,
    "-": ARITHMETIC.subtract,
    "*": ARITHMETIC.multiply,
    "/": lambda one, other: ARITHMETIC.divide(one, other) if other else None,
    "div": _div,
    "mod": _mod,
}

COLLECTIONS: Final[Mapping[str, Callable[[list[Node], list[Node], Evaluation], list[Node]]]] = {
    "|": union,
    "&": joined,
    **{operator: _arithmetic(operator) for operator in _CALCULATIONS},
}
"""Operators whose result is not a condition."""

_MONTHS: Final = {"year": 12, "month": 1}
_MICROSECONDS: Final = {
    "week": 604_800_000_000,
    "day": 86_400_000_000,
    "hour": 3_600_000_000,
    "minute": 60_000_000,
    "second": 1_000_000,
    "millisecond": 1_000,
}


def shifted(start: Moment, by: Quantity) -> Moment | None:
    """A moment so much later (https://hl7.org/fhirpath/N1/#datetime-arithmetic), as precise as it was.

    Raises:
        EvaluationError: the unit is none of the calendar's.
    """
    unit = calendar_unit(by.unit)
    if unit is None or (unit in _MONTHS and start.type == "Time"):
        raise EvaluationError("Only units of the calendar can be added to a date or time.")
    missing = (2000, 1, 1)
    parts = [int(part) for part in start.parts]
    full = [*missing, *parts] if start.type == "Time" else [*parts, *(1, 1)[len(parts) - 1 :]]
    full += [0] * (6 - len(full))
    fraction = Decimal(start.parts[-1]) % 1 if len(full) == 6 else Decimal(0)
    try:
        moved = _moved(datetime(*full[:6]), unit, by.value)  # type: ignore[arg-type]  # noqa: DTZ001
    except (ValueError, OverflowError):
        return None
    moved += timedelta(microseconds=int(fraction * 1_000_000))
    return moment(_shown(moved, start), start.type)


def _moved(start: datetime, unit: str, amount: Decimal) -> datetime:
    if unit in _MONTHS:
        months = start.year * 12 + start.month - 1 + int(amount) * _MONTHS[unit]
        year, month = months // 12, months % 12 + 1
        if not 1 <= year <= 9999:
            raise OverflowError
        return start.replace(year, month, min(start.day, monthrange(year, month)[1]))
    if unit not in ("second", "millisecond"):
        amount = amount.to_integral_value(ROUND_DOWN)  # a fraction of them is ignored
    return start + timedelta(microseconds=int(amount * _MICROSECONDS[unit]))


def _shown(moved: datetime, like: Moment) -> str:
    """The moment in the form, and with the precision, of another."""
    seconds = like.text.partition("T")[2] if like.type == "DateTime" else like.text
    time = moved.time().isoformat("milliseconds" if "." in seconds else "seconds")
    if like.type == "Time":
        return time[: 3 * len(like.parts) - 1] if len(like.parts) < 3 else time
    day = moved.date().isoformat()[: (4, 7, 10)[min(len(like.parts), 3) - 1]]
    if len(like.parts) <= 3:
        return day
    if len(like.parts) < 6:
        time = time[: 3 * (len(like.parts) - 3) - 1]
    zone = ""
    if like.offset_minutes is not None:
        zone = "Z" if like.text.endswith("Z") else like.text[-6:]
    return f"{day}T{time}{zone}"


def negated(nodes: list[Node]) -> list[Node]:
    """``-x``"""
    node = singleton(nodes)
    value = None if node is None else value_of(node)
    if value is None:
        return []
    if isinstance(value, Quantity):
        return [calculated(Quantity(-value.value, value.unit))]
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise EvaluationError("Only a number has a sign.")
    return [calculated(-value)]


def at(base: Run, index: Run) -> Run:
    """``base[index]``"""

    def run(this: list[Node], evaluation: Evaluation) -> list[Node]:
        node = singleton(index(this, evaluation))
        if node is None:
            return []
        if type(node.value) is not int:
            raise EvaluationError("An index is a whole number.")
        place = node.value
        return base(this, evaluation)[place : place + 1] if place >= 0 else []

    return run
