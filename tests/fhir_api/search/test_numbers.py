"""https://hl7.org/fhir/R4/search.html#number"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.search.numbers import precise


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("100", 99.5, 100.5),
        ("100.00", 99.995, 100.005),
        ("1e2", 95.0, 105.0),
        ("1.00e2", 99.5, 100.5),
        ("-5.4", -5.45, -5.35),
        ("0", -0.5, 0.5),
        ("0.0", -0.05, 0.05),
        ("5.40", 5.395, 5.405),
    ],
)
def test_the_range_is_half_of_the_last_digit_either_side(text, low, high):
    number = precise(text)
    assert (number.low, number.high) == (low, high)


@pytest.mark.parametrize("text", ["100", "100.00", "-5.4", "0", "1e-7"])
def test_a_number_is_within_its_own_range(text):
    number = precise(text)
    assert number.low <= float(text) < number.high


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6
    )
)
def test_any_decimal_is_within_its_own_range(number):
    found = precise(f"{number:f}")
    assert found.value == float(number)
    assert found.low <= found.value < found.high
    assert Decimal(found.high) - Decimal(found.low) < Decimal("0.1") + abs(number) / 10**14


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", "0x10", "1e", "nan", "inf", "1e999", "1e99999", "1" * 65, "١"]
)
def test_what_is_no_decimal_or_beyond_a_double_is_refused(text):
    with pytest.raises(ValueError, match=r"decimal|numbers"):
        precise(text)


def test_approximately_is_ten_per_cent_either_side():
    low, high = precise("50").approximately()
    assert (low, round(high, 9)) == (45.0, 55.0)
    assert high > 55.0


def test_approximately_is_never_narrower_than_the_precision():
    assert precise("0").approximately()[0] == -0.5
