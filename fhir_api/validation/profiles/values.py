"""Values against values: fixed[x], pattern[x], minValue[x] and maxValue[x].

https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.fixed_x_
"""

from __future__ import annotations

from typing import Any


def is_same(value: Any, fixed: Any) -> bool:  # noqa: ANN401
    """Whether a JSON value is exactly another; true is not 1."""
    if isinstance(fixed, dict):
        return (
            isinstance(value, dict)
            and value.keys() == fixed.keys()
            and all(is_same(value[name], item) for name, item in fixed.items())
        )
    if isinstance(fixed, list):
        return (
            isinstance(value, list)
            and len(value) == len(fixed)
            and all(is_same(*pair) for pair in zip(value, fixed, strict=True))
        )
    return isinstance(value, bool) is isinstance(fixed, bool) and bool(value == fixed)


def has_pattern(value: Any, pattern: Any) -> bool:  # noqa: ANN401
    """Whether everything in ``pattern`` is in the value: each item of an array in some item of the value's."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and has_pattern(value[name], item) for name, item in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(
            any(has_pattern(item, wanted) for item in value) for wanted in pattern
        )
    return is_same(value, pattern)


def is_less(value: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether a number, or a date or time as R4 writes it, is less than another; False where that cannot be told.

    Dates are compared as far as both are precise.
    """
    if isinstance(value, dict) and isinstance(other, dict):
        has_same_unit = all(value.get(name) == other.get(name) for name in ("system", "code"))
        return has_same_unit and is_less(value.get("value"), other.get("value"))
    if isinstance(value, str) and isinstance(other, str):
        length = min(len(value), len(other))
        return value[:length] < other[:length]
    numbers = (int, float)
    return isinstance(value, numbers) and isinstance(other, numbers) and value < other
