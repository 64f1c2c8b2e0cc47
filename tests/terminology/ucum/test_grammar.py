"""Which texts are codes of UCUM (https://ucum.org/ucum#section-Syntax-Rules)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology.ucum import canonical_unit, is_valid_unit


@pytest.mark.parametrize(
    "code",
    [
        "1", "m", "mg", "dar", "10*", "10*-3", "10^3/uL", "mm[Hg]", "m[H2O]", "kg/(m.s2)", "/min", "/(12.h)",
        "{score}", "mg{total}", "10*3{RBCs}/uL", "[pH]", "dB[SPL]", "Cel", "g%", "[in_i'H2O]", "1/d", "KiBy",
        "mL/min/{1.73_m2}", "(/s)", "m+2", "{a}{b}", "{a b}", "(mg){x}",
    ],
)  # fmt: skip
def test_a_code_is_valid(code: str) -> None:
    assert is_valid_unit(code)


@pytest.mark.parametrize(
    "code",
    [
        "", " ", "foo", "mgs", "KG", "kPA", "2mg", "m m", "mg/", "mg//L", "mg..L", "(mg", "mg)", "()", "{", "{a",
        "{{a}}", "{é}", "k[in_i]", "mmm", "k", "m-", "m2-1", "0", "µg", "°C", "10*1000", "g" * 200, "%[", "\n", "{\n}",
    ],
)  # fmt: skip
def test_a_text_is_no_code(code: str) -> None:
    assert not is_valid_unit(code)
    assert canonical_unit(code) is None


@given(st.one_of(st.text(max_size=140), st.text("()[]{}./10*mgL-+2%' ", max_size=140)))
def test_any_text_is_answered(code: str) -> None:
    """A unit that has a base is valid; nothing raises."""
    assert canonical_unit(code) is None or is_valid_unit(code)
