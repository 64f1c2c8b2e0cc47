"""A unit in terms of UCUM's base units: an exact ratio, an offset, and powers of m, s, g, rad, K, C and cd.

What no ratio describes keeps a dimension of its own, so that it is compared with itself alone: arbitrary units
([iU], [arb'U]: UCUM forbids to convert them) and logarithmic ones ([pH], B, Np), which still have their prefixes
(10 dB are 1 B). Temperatures have an offset and are exact too, where they stand alone (Cel, [degF]).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from terminology.ucum.grammar import NotUcum, factors

_OFFSETS = {
    "Cel": Fraction("273.15"),
    "degF": Fraction("459.67") * Fraction(5, 9),
    "degRe": Fraction("273.15"),
}
"""Function of a special unit → what is added after scaling to be kelvin."""


@dataclass(frozen=True, slots=True)
class CanonicalUnit:
    """``code`` is the unit in base units ('g.m-3'; '1' where it has no dimension). A value x of the unit is
    (x · numerator + offset) / denominator of them.
    """

    code: str
    numerator: int
    denominator: int
    offset: int = 0

    def of(self, value: Decimal) -> float:
        """The double nearest to the value in base units: equal amounts are equal doubles, in whatever unit.

        Raises:
            OverflowError: no double is that large.
        """
        above, below = value.as_integer_ratio()
        return (above * self.numerator + self.offset * below) / (below * self.denominator)


class _Essence(msgspec.Struct, frozen=True):
    """``essence.json``: what ``generate.py`` took from UCUM's table."""

    version: str
    prefixes: dict[str, str]
    base: list[str]
    units: dict[str, list[str | bool]]


@dataclass(frozen=True, slots=True)
class _Measure:
    """factor · product of base units, plus ``offset``; ``alone``: it cannot be part of a product."""

    factor: Fraction
    powers: Mapping[str, int]
    offset: Fraction = Fraction(0)
    alone: bool = False


_DIMENSIONLESS: Mapping[str, int] = MappingProxyType({})


@lru_cache(maxsize=4096)
def canonical_unit(code: str) -> CanonicalUnit | None:
    """What the unit is in base units; None where the code is not UCUM, or a product that has no meaning (Cel.m)."""
    try:
        measure = _measure_of(code)
    except NotUcum:
        return None
    if measure is None:
        return None
    denominator = measure.factor.denominator * measure.offset.denominator
    return CanonicalUnit(
        _spelled(measure.powers),
        measure.factor.numerator * measure.offset.denominator,
        denominator,
        measure.offset.numerator * measure.factor.denominator,
    )


@lru_cache(maxsize=4096)
def is_valid_unit(code: str) -> bool:
    """Whether the text is a code of UCUM, case sensitive."""
    try:
        for factor in factors(code):
            _split(factor.symbol)
    except NotUcum:
        return False
    return True


def _measure_of(code: str) -> _Measure | None:
    parts = factors(code)
    if len(parts) == 1 and parts[0].exponent == 1:
        return _of_symbol(parts[0].symbol, parts[0].number)
    ratio = Fraction(1)
    powers: dict[str, int] = {}
    product = True
    for part in parts:
        measure = _of_symbol(part.symbol, part.number)
        product = product and not measure.alone
        ratio *= measure.factor**part.exponent
        for base, power in measure.powers.items():
            powers[base] = powers.get(base, 0) + power * part.exponent
    if not product:
        return None
    return _Measure(ratio, {base: power for base, power in powers.items() if power})


def _of_symbol(symbol: str, number: int) -> _Measure:
    if not symbol:
        return _Measure(Fraction(number), _DIMENSIONLESS)
    prefix, atom = _split(symbol)
    measure = _of_atom(atom)
    scale = Fraction(_essence().prefixes[prefix]) if prefix else Fraction(1)
    return _Measure(scale * measure.factor, measure.powers, measure.offset, measure.alone)


def _split(symbol: str) -> tuple[str, str]:
    """Prefix ('' for none) and atom.

    Raises:
        NotUcum: no unit is called that, or it takes no prefix.
    """
    if not symbol or _is_atom(symbol):
        return "", symbol
    for length in (1, 2):
        prefix, atom = symbol[:length], symbol[length:]
        if prefix in _essence().prefixes and _is_metric(atom):
            return prefix, atom
    raise NotUcum("no such unit")


def _is_atom(symbol: str) -> bool:
    return symbol in _essence().units or symbol in _essence().base


def _is_metric(atom: str) -> bool:
    return atom in _essence().base or (atom in _essence().units and bool(_essence().units[atom][1]))


@cache
def _of_atom(atom: str) -> _Measure:
    if atom in _essence().base:
        return _Measure(Fraction(1), {atom: 1})
    kind, _, value, unit, *function = _essence().units[atom]
    if kind == "plain" or (function and function[0] in _OFFSETS):
        defined = _measure_of(str(unit))
        assert defined is not None
        factor = Fraction(str(value)) * defined.factor
        offset = _OFFSETS[str(function[0])] if function else defined.offset
        return _Measure(factor, defined.powers, offset, alone=bool(function) or defined.alone)
    if kind == "arbitrary" and unit != "1":
        # Another spelling of an arbitrary unit: [IU] is [iU].
        return _of_atom(str(unit))
    return _Measure(Fraction(1), {atom: 1}, alone=kind == "special")


def _spelled(powers: Mapping[str, int]) -> str:
    parts = [base if power == 1 else f"{base}{power}" for base, power in sorted(powers.items())]
    return ".".join(parts) or "1"


@cache
def _essence() -> _Essence:
    path = Path(__file__).with_name("essence.json")
    return msgspec.json.decode(path.read_bytes(), type=_Essence)
