"""What conditional interactions get: https://hl7.org/fhir/R4/http.html#ccreate"""

from __future__ import annotations

import pytest

from fhir_api.api import utc_now_us
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import FhirError
from fhir_api.search import compile_conditions
from fhir_api.search.conditions import CONDITIONS, MODIFIERS
from fhir_api.search.criterion import Reading
from fhir_api.search.parameters import parameters_of
from store.query import (
    AnyOf,
    IdIn,
    Not,
    Present,
    ReferenceIs,
    SortField,
    StringIs,
    StringMatch,
    TokenIs,
)

BASE = "http://example.org/fhir"


def compiled(type: str, *pairs: tuple[str, str]) -> object:
    return compile_conditions(type, list(pairs), Reading(BASE, utc_now_us()))


def test_pairs_become_conditions_in_their_order():
    assert compiled("Patient", ("identifier", "urn:x|1"), ("name:exact", "A\\,b")) == (
        TokenIs("identifier", "urn:x", "1"),
        StringIs("name", StringMatch.EXACT, "A,b", "a,b"),
    )


def test_values_with_commas_are_any_of():
    assert compiled("Patient", ("gender:not", "male,female")) == (
        Not(AnyOf((TokenIs("gender", None, "male"), TokenIs("gender", None, "female")))),
    )


def test_ids_are_looked_up_together_and_once():
    assert compiled("Patient", ("_id", "a,b,a")) == (IdIn(("a", "b")),)


def test_missing_is_the_absence_of_an_entry():
    assert compiled("Patient", ("gender:missing", "true"), ("name:missing", "false")) == (
        Not(Present("gender")),
        Present("name"),
    )


@pytest.mark.parametrize(
    ("type", "parameter", "value", "target"),
    [
        ("Observation", "patient", "1", "Patient"),
        ("Observation", "subject", "1", None),
        ("Observation", "subject:Group", "1", "Group"),
        ("Observation", "subject", "Group/1", "Group"),
        ("Observation", "subject", f"{BASE}/Group/1", "Group"),
    ],
)
def test_a_bare_id_has_the_type_that_the_parameter_leaves_no_doubt_of(
    type, parameter, value, target
):
    code = parameter.partition(":")[0]
    assert compiled(type, (parameter, value)) == (ReferenceIs(code, target, "1"),)


def test_the_answers_format_is_no_condition():
    assert compiled("Patient", ("_format", "json"), ("_pretty", "true")) == ()


@pytest.mark.parametrize(
    "name", ["colour", "_count", "_sort", "_include", "_has:Observation:patient:colour"]
)
def test_anything_that_is_no_criterion_is_refused(name):
    with pytest.raises(FhirError):
        compiled("Patient", (name, "1"))


def test_every_parameter_of_every_type_can_be_searched_and_sorted_by():
    for type in RESOURCE_TYPES:
        for parameter in parameters_of(type).values():
            assert parameter.type in CONDITIONS, (type, parameter.code)
            assert parameter.type in MODIFIERS
            assert parameter.type == "composite" or SortField(parameter.type)
