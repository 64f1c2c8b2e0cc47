"""Numbers (https://hl7.org/fhirpath/N1/#math). What has no result, such as the root of -1, is empty."""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
)
from typing import Final

from fhir_api.fhirpath.errors import EvaluationError
from fhir_api.fhirpath.evaluation import Evaluation, Run
from fhir_api.fhirpath.functions.signature import Function, value
from fhir_api.fhirpath.nodes import Node
from fhir_api.fhirpath.values import Quantity, Value, calculated

ARITHMETIC: Final = Context(prec=28, Emax=400, Emin=-400)


def _number(nodes: list[Node]) -> int | Decimal | None:
    found = value(nodes)
    if found is None or (isinstance(found, int | Decimal) and not isinstance(found, bool)):
        return found
    raise EvaluationError("A number was expected here.")


def _function(
    calculate: Callable[..., int | Decimal | None], arguments: int = 0, optional: int = 0
) -> Function:
    def apply(
        nodes: list[Node], this: list[Node], evaluation: Evaluation, given: tuple[Run, ...]
    ) -> list[Node]:
        subject = _number(nodes)
        others = [_number(run(this, evaluation)) for run in given]
        if subject is None or None in others:
            return []
        try:
            result: int | Decimal | None = calculate(subject, *others)
        except DecimalException:
            return []
        return [] if result is None else [calculated(result)]

    return Function(apply, arguments, arguments + optional)


def _rounded(how: str) -> Callable[[int | Decimal], int]:
    return lambda number: int(Decimal(number).to_integral_value(how))


def _round(number: int | Decimal, places: int | Decimal = 0) -> Decimal | int:
    if not 0 <= places <= 28:
        raise EvaluationError("A number is rounded to 0 to 28 places.")
    rounded = Decimal(number).quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP)
    return rounded if places else int(rounded)


def _power(number: int | Decimal, exponent: int | Decimal) -> int | Decimal:
    result = ARITHMETIC.power(Decimal(number), Decimal(exponent))
    whole = isinstance(number, int) and isinstance(exponent, int) and exponent >= 0
    return int(result) if whole and result == result.to_integral_value() else result


def _logarithm(number: int | Decimal, base: int | Decimal) -> Decimal | None:
    if number <= 0 or base <= 0 or base == 1:
        return None
    return ARITHMETIC.divide(ARITHMETIC.ln(Decimal(number)), ARITHMETIC.ln(Decimal(base)))


def _natural_logarithm(number: int | Decimal) -> Decimal | None:
    return ARITHMETIC.ln(Decimal(number)) if number > 0 else None


def _root(number: int | Decimal) -> Decimal | None:
    return ARITHMETIC.sqrt(Decimal(number)) if number >= 0 else None


def _absolute(
    nodes: list[Node], _this: list[Node], _evaluation: Evaluation, _given: tuple[Run, ...]
) -> list[Node]:
    found: Value | None = value(nodes)
    if isinstance(found, Quantity):
        return [calculated(Quantity(abs(found.value), found.unit))]
    number = _number(nodes)
    return [] if number is None else [calculated(-number if number < 0 else number)]


FUNCTIONS: Final = {
    "abs": Function(_absolute),
    "ceiling": _function(_rounded(ROUND_CEILING)),
    "exp": _function(lambda number: ARITHMETIC.exp(Decimal(number))),
    "floor": _function(_rounded(ROUND_FLOOR)),
    "ln": _function(_natural_logarithm),
    "log": _function(_logarithm, 1),
    "power": _function(_power, 1),
    "round": _function(_round, 0, 1),
    "sqrt": _function(_root),
    "truncate": _function(_rounded(ROUND_DOWN)),
}
