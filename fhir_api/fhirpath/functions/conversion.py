"""From one type of value to another (https://hl7.org/fhirpath/N1/#conversion)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from fhir_api.fhirpath.evaluation import Evaluation, Run
from fhir_api.fhirpath.functions.signature import Condition, Function, text_argument
from fhir_api.fhirpath.nodes import Node
from fhir_api.fhirpath.values import (
    Moment,
    Quantity,
    Value,
    calculated,
    decimal_of,
    moment,
    singleton,
    text_of,
    value_of,
)

_TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0"})
_QUANTITY: Final = re.compile(r"([+-]?\d{1,100}(?:\.\d{1,100})?)(?:\s+(?:('[^']+')|([A-Za-z]+)))?")


def _to_boolean(value: Value) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = value.lower()
        return True if text in _TRUE else False if text in _FALSE else None
    if isinstance(value, int | Decimal) and value in (0, 1):
        return value == 1
    return None


def _to_integer(value: Value) -> int | None:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value):
        return int(value)
    return None


def _to_decimal(value: Value) -> Decimal | None:
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return decimal_of(value) if isinstance(value, str) else None


def _to_moment(type_: str) -> Callable[[Value], Moment | None]:
    def convert(value: Value) -> Moment | None:
        if isinstance(value, str):
            return moment(value, type_)
        if not isinstance(value, Moment) or (value.type == "Time") != (type_ == "Time"):
            return None
        return moment(value.text.partition("T")[0] if type_ == "Date" else value.text, type_)

    return convert


def _to_quantity(value: Value) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value), "'1'")
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    return Quantity(Decimal(match[1]), match[2] or match[3] or "'1'")


CONVERSIONS: Final[dict[str, Callable[[Value], Value | None]]] = {
    "Boolean": _to_boolean,
    "Integer": _to_integer,
    "Decimal": _to_decimal,
    "Date": _to_moment("Date"),
    "DateTime": _to_moment("DateTime"),
    "Time": _to_moment("Time"),
    "Quantity": _to_quantity,
}


def _converted(nodes: list[Node], convert: Callable[[Value], Value | None]) -> Value | None:
    node = singleton(nodes)
    value = None if node is None else value_of(node)
    return None if value is None else convert(value)


def _function(convert: Callable[[Value], Value | None]) -> Function:
    def apply(
        nodes: list[Node], _this: list[Node], _evaluation: Evaluation, _arguments: tuple[Run, ...]
    ) -> list[Node]:
        value = _converted(nodes, convert)
        return [] if value is None else [calculated(value)]

    return Function(apply, 0, 1)


def _condition(convert: Callable[[Value], Value | None]) -> Condition:
    def judge(
        nodes: list[Node], _this: list[Node], _evaluation: Evaluation, _arguments: tuple[Run, ...]
    ) -> bool | None:
        return _converted(nodes, convert) is not None if nodes else None

    return Condition(judge, 0, 1)


def _to_string(
    nodes: list[Node], _this: list[Node], _evaluation: Evaluation, _arguments: tuple[Run, ...]
) -> list[Node]:
    node = singleton(nodes)
    text = None if node is None else text_of(node)
    return [] if text is None else [calculated(text)]


def _converts_to_string(
    nodes: list[Node], _this: list[Node], _evaluation: Evaluation, _arguments: tuple[Run, ...]
) -> bool | None:
    node = singleton(nodes)
    return None if node is None else text_of(node) is not None


def _to_quantity_in(
    nodes: list[Node], this: list[Node], evaluation: Evaluation, arguments: tuple[Run, ...]
) -> list[Node]:
    value = _converted(nodes, _to_quantity)
    if not isinstance(value, Quantity):
        return []
    unit = text_argument(arguments[0], this, evaluation) if arguments else None
    same = unit is None or unit in (value.unit, value.unit.strip("'"))
    return [calculated(value)] if same else []


FUNCTIONS: Final = {
    **{f"to{name}": _function(convert) for name, convert in CONVERSIONS.items()},
    "toQuantity": Function(_to_quantity_in, 0, 1),
    "toString": Function(_to_string),
}
CONDITIONS: Final = {
    **{f"convertsTo{name}": _condition(convert) for name, convert in CONVERSIONS.items()},
    "convertsToString": Condition(_converts_to_string),
}
