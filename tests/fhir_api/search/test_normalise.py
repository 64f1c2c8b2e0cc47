"""https://hl7.org/fhir/R4/search.html#string"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.search.normalise import normalise


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("Müller", "MULLER"),
        ("Muller", "Mu\u0308ller"),
        ("STRASSE", "straße"),
        ("  van   den\tBerg \n", "Van den Berg"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ﬁne", "FINE"),
        ("Łódź", "Łodz"),
    ],
)
def test_case_accents_and_runs_of_space_do_not_count(text, same_as):
    assert normalise(text) == normalise(same_as)


def test_letters_that_differ_stay_different():
    assert normalise("Meier") != normalise("Meyer")


@given(st.text())
def test_normalising_twice_changes_nothing_more(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.text())
def test_upper_case_normalises_as_lower_case_does(text):
    assert normalise(text.upper().lower()) == normalise(text.upper())
