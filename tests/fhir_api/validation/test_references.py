"""References and contained resources (https://hl7.org/fhir/R4/references.html)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_api.validation import Validator

VALIDATOR = Validator()


def places(resource: dict[str, Any]) -> list[tuple[str, str]]:
    found = VALIDATOR.validate(resource, resource["resourceType"])
    return [(issue.code, issue.expression) for issue in found if issue.is_error]


def observation(subject: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": subject,
        **members,
    }


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/1",
        "Patient/1/_history/2",
        "Group/a-b.c",
        "https://other.example/fhir/Patient/1",
        "http://other.example/fhir/Patient/1/_history/2",
        "http://other.example/not-restful?patient=1",
        "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",
        "urn:oid:1.2.3",
    ],
)
def test_a_reference_of_an_allowed_type_or_of_unknown_type_passes(reference: str) -> None:
    assert places(observation({"reference": reference})) == []


@pytest.mark.parametrize(
    "reference",
    [
        "Practitioner/1",
        "https://other.example/fhir/Practitioner/1",
        "Pacient/1",
        "patient/1",
        "Patient",
        "Patient/",
        "Patient/a_b",
        "Patient/1/_history",
        "Patient/1/extra",
        "/Patient/1",
        "1",
        "Patient?identifier=a|b",
        "Patient/" + "x" * 65,
    ],
)
def test_any_other_reference_is_an_error_at_its_text(reference: str) -> None:
    assert places(observation({"reference": reference})) == [
        ("value", "Observation.subject.reference")
    ]


def test_a_reference_that_may_point_at_anything_takes_every_r4_type() -> None:
    task = {"resourceType": "Task", "status": "requested", "intent": "order"}
    assert places({**task, "focus": {"reference": "Binary/1"}}) == []
    assert places({**task, "focus": {"reference": "Banary/1"}}) == [
        ("value", "Task.focus.reference")
    ]


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ({"type": "Patient", "identifier": {"value": "1"}}, None),
        ({"type": "Patient", "reference": "Patient/1"}, None),
        (
            {"type": "http://hl7.org/fhir/StructureDefinition/Patient", "reference": "Patient/1"},
            None,
        ),
        ({"type": "http://models.example/Person", "display": "a"}, None),
        ({"type": "Practitioner", "identifier": {"value": "1"}}, "value"),
        ({"type": "Pacient", "identifier": {"value": "1"}}, "value"),
        ({"type": "Group", "reference": "Patient/1"}, "invariant"),
    ],
    ids=repr,
)
def test_the_type_that_a_reference_declares_is_one_it_may_have(
    subject: dict[str, Any], problem: str | None
) -> None:
    expected = [] if problem is None else [(problem, "Observation.subject.type")]
    assert places(observation(subject)) == expected


# ---- contained resources


def test_an_internal_reference_leads_to_a_contained_resource_of_an_allowed_type() -> None:
    patient = {"resourceType": "Patient", "id": "p"}
    practitioner = {"resourceType": "Practitioner", "id": "p"}
    assert places(observation({"reference": "#p"}, contained=[patient])) == []
    assert places(observation({"reference": "#p"}, contained=[practitioner])) == [
        ("value", "Observation.subject.reference")
    ]
    assert places(observation({"reference": "#q"}, contained=[patient])) == [
        ("invariant", "Observation.subject.reference"),
        ("invariant", "Observation.contained[0]"),
    ]


def test_contained_resources_are_validated_too() -> None:
    patient = {"resourceType": "Patient", "id": "p", "gender": "m"}
    assert places(observation({"reference": "#p"}, contained=[patient])) == [
        ("code-invalid", "Observation.contained[0].gender")
    ]


@pytest.mark.parametrize(
    ("contained", "place"),
    [
        (
            {
                "resourceType": "Patient",
                "id": "p",
                "contained": [{"resourceType": "Patient", "id": "q"}],
            },
            ".contained",
        ),
        ({"resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}}, ".meta"),
        (
            {"resourceType": "Patient", "id": "p", "meta": {"lastUpdated": "2020-01-01T00:00:00Z"}},
            ".meta",
        ),
        (
            {"resourceType": "Patient", "id": "p", "meta": {"security": [{"code": "R"}]}},
            ".meta.security",
        ),
        ({"resourceType": "Pacient", "id": "p"}, ".resourceType"),
        ({"id": "p"}, ""),
        ("p", ""),
        (None, ""),
    ],
    ids=repr,
)
def test_a_contained_resource_is_not_a_resource_of_its_own(contained: Any, place: str) -> None:
    """dom-2 to dom-5 of https://hl7.org/fhir/R4/domainresource.html#invs"""
    found = [where for _, where in places(observation({"reference": "#p"}, contained=[contained]))]
    assert f"Observation.contained[0]{place}" in found


def test_a_contained_resource_needs_an_id_of_its_own() -> None:
    patient = {"resourceType": "Patient", "id": "p"}
    twice = observation({"reference": "#p"}, contained=[patient, patient])
    nameless = observation(
        {"display": "x"}, contained=[{"resourceType": "Patient", "active": True}]
    )
    assert places(twice) == [("invariant", "Observation.contained[1].id")]
    assert places(nameless) == [("required", "Observation.contained[0]")]


def test_a_contained_resource_may_be_reached_through_another_or_refer_back() -> None:
    """dom-3"""
    patient = {"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": "#o"}}
    organization = {"resourceType": "Organization", "id": "o", "name": "Radiology"}
    chained = observation({"reference": "#p"}, contained=[patient, organization])
    assert places(chained) == []
    provenance = {
        "resourceType": "Provenance",
        "id": "v",
        "target": [{"reference": "#"}],
        "recorded": "2020-01-01T00:00:00Z",
        "agent": [{"who": {"display": "a"}}],
    }
    assert places(observation({"display": "x"}, contained=[provenance])) == []
    assert places(observation({"display": "x"}, contained=[organization])) == [
        ("invariant", "Observation.contained[0]")
    ]


def test_a_canonical_can_lead_to_a_contained_resource() -> None:
    value_set = {"resourceType": "ValueSet", "id": "v", "status": "active"}
    questionnaire = {
        "resourceType": "Questionnaire",
        "status": "active",
        "contained": [value_set],
        "item": [{"linkId": "1", "type": "choice", "answerValueSet": "#v"}],
    }
    assert places(questionnaire) == []


# ---- resources in Bundles and Parameters


FIRST = "urn:uuid:1c3f1d3c-0000-4000-8000-000000000001"
SECOND = "urn:uuid:1c3f1d3c-0000-4000-8000-000000000002"


def test_resources_in_a_bundle_are_validated_where_they_stand() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": FIRST, "resource": {"resourceType": "Patient"}},
            {"fullUrl": SECOND, "resource": {"resourceType": "Patient", "gender": "m"}},
        ],
    }
    assert places(bundle) == [("code-invalid", "Bundle.entry[1].resource.gender")]


def test_each_resource_of_a_bundle_contains_its_own() -> None:
    patient = {"resourceType": "Patient", "id": "p"}
    entries = [
        {"fullUrl": FIRST, "resource": observation({"reference": "#p"}, contained=[patient])},
        {"fullUrl": SECOND, "resource": observation({"reference": "#p"})},
    ]
    assert places({"resourceType": "Bundle", "type": "collection", "entry": entries}) == [
        ("invariant", "Bundle.entry[1].resource.subject.reference")
    ]


def test_references_by_search_are_for_the_entries_of_a_transaction() -> None:
    """https://hl7.org/fhir/R4/http.html#trules"""
    entry = {
        "fullUrl": FIRST,
        "resource": observation({"reference": "Patient?identifier=a|b"}),
        "request": {"method": "POST", "url": "Observation"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert places(bundle) == []
    del entry["request"]
    assert places({**bundle, "type": "collection"}) == [
        ("value", "Bundle.entry[0].resource.subject.reference")
    ]


def test_resources_in_parameters_are_validated() -> None:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "a", "resource": {"resourceType": "Patient", "active": 1}},
            {"valueString": "x"},
        ],
    }
    assert places(parameters) == [
        ("structure", "Parameters.parameter[0].resource.active"),
        ("required", "Parameters.parameter[1].name"),
    ]
