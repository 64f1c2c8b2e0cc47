"""https://hl7.org/fhir/R4/search.html#count: page links that say nothing to anybody else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.errors import FhirError
from fhir_api.search.links import seal, unseal
from store.query import Cursor

KEY = bytes(range(64))
values = st.one_of(
    st.none(), st.text(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)
)
cursors = st.one_of(
    st.none(), st.builds(Cursor, st.lists(values, max_size=4).map(tuple), st.integers(0, 2**62))
)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5), cursors)
def test_a_link_carries_the_search_and_its_place(pairs, cursor):
    assert unseal(KEY, "Patient", seal(KEY, "Patient", pairs, cursor)) == (pairs, cursor)


def test_a_link_shows_nothing_of_names_or_birth_dates():
    token = seal(KEY, "Patient", [("family", "Everywoman")], Cursor(("1974-12-25",), 7))
    clear = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert b"Everywoman" not in clear
    assert b"1974" not in clear


def test_the_same_page_has_the_same_link():
    assert seal(KEY, "Patient", [("a", "b")], None) == seal(KEY, "Patient", [("a", "b")], None)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_link_is_refused(position, difference):
    token = seal(KEY, "Patient", [("family", "Everywoman")], Cursor(("a",), 1))
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[position % len(raw)] ^= difference
    with pytest.raises(FhirError):
        unseal(KEY, "Patient", base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))


@given(st.text())
def test_any_other_text_is_refused(text):
    with pytest.raises(FhirError) as refused:
        unseal(KEY, "Patient", text)
    assert refused.value.status == 400


def test_a_link_is_good_for_its_own_type_and_deployment_only():
    token = seal(KEY, "Patient", [], None)
    for key, type in ((KEY, "Observation"), (bytes(64), "Patient")):
        with pytest.raises(FhirError):
            unseal(key, type, token)
