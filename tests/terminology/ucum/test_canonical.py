"""Units in base units, exactly (https://ucum.org/ucum)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology.ucum import canonical_unit

values = st.decimals(
    min_value=-(10**9), max_value=10**9, places=6, allow_nan=False, allow_infinity=False
)


def in_base_units(value: str, unit: str) -> tuple[float, str]:
    found = canonical_unit(unit)
    assert found is not None
    return found.of(Decimal(value)), found.code


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("5.4", "mg"), ("0.0054", "g")),
        (("0.1", "kg"), ("100", "g")),
        (("1", "mg/dL"), ("0.01", "g/L")),
        (("120", "mm[Hg]"), ("15.99864", "kPa")),
        (("37", "Cel"), ("98.6", "[degF]")),
        (("-40", "Cel"), ("-40", "[degF]")),
        (("0", "Cel"), ("273.15", "K")),
        (("80", "[degRe]"), ("100", "Cel")),
        (("10", "dB"), ("1", "B")),
        (("5", "10*9/L"), ("5000000", "/mL")),
        (("7", "[iU]/mL"), ("7000", "[IU]/L")),
        (("1", "kat"), ("60000000", "umol.min-1")),
        (("1", "U"), ("1", "umol/min")),
        (("90", "/min"), ("1.5", "Hz")),
        (("25", "%"), ("0.25", "1")),
        (("25", "%{saturation}"), ("250", "[ppth]")),
        (("1", "kg/m/s2"), ("1", "Pa")),
        (("1", "kg/(m.s2)"), ("1", "Pa")),
        (("1", "[in_i]"), ("2.54", "cm")),
        (("6", "10*3"), ("6000", "{cells}")),
        (("2", "[degR]"), ("1.1111111111111111111111111111", "K")),
        (("60", "deg"), ("3600", "'")),
    ],
)
def test_equal_amounts_are_equal_doubles(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert in_base_units(*one) == in_base_units(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mg", "mL"),
        ("[iU]", "g"),
        ("[iU]", "[arb'U]"),
        ("[pH]", "mol/L"),
        ("B", "B[SPL]"),
        ("[iU]", "1"),
    ],
)
def test_what_has_no_ratio_has_another_dimension(one: str, other: str) -> None:
    """Arbitrary units are commensurable with nothing else (https://ucum.org/ucum#para-25)."""
    assert in_base_units("1", one)[1] != in_base_units("1", other)[1]


@pytest.mark.parametrize("code", ["Cel/s", "[pH].m", "Cel2", "mgs", "", "mg/"])
def test_what_has_no_meaning_as_a_product_or_is_no_unit_has_no_base(code: str) -> None:
    """Special units take no part in products (https://ucum.org/ucum#para-22)."""
    assert canonical_unit(code) is None


@given(values, st.sampled_from([("ug", -6), ("mg", -3), ("cg", -2), ("kg", 3), ("Tg", 12)]))
def test_a_prefix_shifts_the_point_and_nothing_else(value: Decimal, unit: tuple[str, int]) -> None:
    code, shift = unit
    found = canonical_unit(code)
    assert found is not None
    assert found.of(value) == float(value.scaleb(shift))


@given(values, values, st.sampled_from(["mg", "mm[Hg]", "Cel", "[degF]", "deg", "mmol/L"]))
def test_the_order_of_amounts_is_kept(one: Decimal, other: Decimal, code: str) -> None:
    found = canonical_unit(code)
    assert found is not None
    if one <= other:
        assert found.of(one) <= found.of(other)
    else:
        assert found.of(one) >= found.of(other)


def test_an_amount_beyond_doubles_is_an_error() -> None:
    found = canonical_unit("Ym9")
    assert found is not None
    with pytest.raises(OverflowError):
        found.of(Decimal("1e200"))
