"""Numbers as the ranges that their precision implies (https://hl7.org/fhir/R4/search.html#number)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

_DECIMAL = re.compile(r"[+-]?[0-9]+(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]{1,4})?")
_MAX_LENGTH = 64
_MAX_MAGNITUDE = 300
"""Powers of ten within which every bound is a finite double."""


@dataclass(frozen=True, slots=True)
class Precise:
    """A number as written: its value and the range [low, high) that rounds to it."""

    number: Decimal
    low: float
    high: float

    @property
    def value(self) -> float:
        return float(self.number)

    def approximately(self) -> tuple[float, float]:
        """The range for ``ap``: ten per cent either side, and at least what the precision implies."""
        tenth = abs(self.number) / 10
        low, high = float(self.number - tenth), float(self.number + tenth)
        return min(self.low, low), max(self.high, math.nextafter(high, math.inf))


def precise(text: str) -> Precise:
    """Reads a decimal: '100' is [99.5, 100.5), '100.00' is [99.995, 100.005), '1e2' is [95, 105).

    The last is the specification's own example: a mantissa without fraction before an exponent counts one digit more
    than it shows.

    Raises:
        ValueError: not a decimal, or beyond what a double holds.
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError("not a decimal")
    number = Decimal(text)
    if abs(number.adjusted()) > _MAX_MAGNITUDE:
        raise ValueError("beyond the range of numbers")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    implied_digit = match["exponent"] is not None and match["fraction"] is None
    half = Decimal(5).scaleb(exponent - (2 if implied_digit else 1))
    value = float(number)
    return Precise(
        number,
        min(value, float(number - half)),
        max(float(number + half), math.nextafter(value, math.inf)),
    )
