"""Base64 in JSON: the fast decoder takes nothing that the standard library's refuses, and together they take the same."""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.base64_text import decoded, encoded


@given(st.text(alphabet="AQabwxyz019+/=-_ \n\té", max_size=24))
def test_texts_are_taken_as_the_standard_library_takes_them(text: str) -> None:
    try:
        expected: bytes | None = binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        expected = None
    try:
        assert decoded(text) == expected
    except ValueError:
        assert expected is None


@given(st.binary(max_size=200))
def test_bytes_come_back_from_one_line_and_from_many(payload: bytes) -> None:
    """https://hl7.org/fhir/R4/datatypes.html#base64Binary allows white space."""
    assert decoded(encoded(payload).decode()) == payload
    assert decoded(base64.encodebytes(payload).decode()) == payload


@pytest.mark.parametrize("text", ["A", "====", "AAA", "AA=A", "*AAA", "é"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is all that callers ask for
        decoded(text)
