"""Structure: elements, arrays, nulls, extensions, contained resources (https://hl7.org/fhir/R4/json.html)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_api.errors import Issue
from fhir_api.validation import Validator
from fhir_api.validation.visit import MAX_DEPTH, MAX_ISSUES

VALIDATOR = Validator()


def errors(resource: dict[str, Any]) -> list[Issue]:
    found = VALIDATOR.validate(resource, resource["resourceType"])
    return [issue for issue in found if issue.is_error]


def places(resource: dict[str, Any]) -> list[tuple[str, str]]:
    """(issue code, FHIRPath) of every error."""
    return [(issue.code, issue.expression) for issue in errors(resource)]


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def observation(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **members}


# ---- elements and their JSON types


def test_a_plain_resource_has_no_errors_and_the_advice_to_add_a_narrative() -> None:
    (advice,) = VALIDATOR.validate(observation(), "Observation")
    assert (advice.severity, advice.expression) == ("warning", "Observation")
    assert "dom-6" in advice.text


def test_all_problems_are_told_at_once_each_with_its_place() -> None:
    broken = {
        "resourceType": "Observation",
        "status": "done",
        "component": [{"code": {"text": "a"}}, {"valueQuantity": {"value": "5"}, "foo": 1}],
    }
    assert places(broken) == [
        ("code-invalid", "Observation.status"),
        ("structure", "Observation.component[1].valueQuantity.value"),
        ("structure", "Observation.component[1].foo"),
        ("required", "Observation.component[1].code"),
        ("required", "Observation.code"),
    ]


def test_another_resource_type_than_announced_is_an_error() -> None:
    (issue,) = VALIDATOR.validate(observation(), "Patient")[:1]
    assert (issue.is_error, issue.expression) == (True, "Patient.resourceType")


@pytest.mark.parametrize(
    "type_", ["Pacient", "DomainResource", "HumanName", "", 5, None, ["Patient"]]
)
def test_a_resource_type_that_r4_does_not_have_is_an_error(type_: Any) -> None:
    found = VALIDATOR.validate({"resourceType": type_}, "Patient")
    assert found[0].is_error


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"name": {"family": "a"}}, "Patient.name"),
        ({"name": ["a"]}, "Patient.name[0]"),
        ({"name": [None]}, "Patient.name[0]"),
        ({"name": []}, "Patient.name"),
        ({"name": [{}]}, "Patient.name[0]"),
        ({"name": [{"given": "a"}]}, "Patient.name[0].given"),
        ({"name": [{"given": []}]}, "Patient.name[0].given"),
        ({"name": [{"family": ["a"]}]}, "Patient.name[0].family"),
        ({"name": [{"family": ""}]}, "Patient.name[0].family"),
        ({"gender": None}, "Patient.gender"),
        ({"gender": ["male"]}, "Patient.gender"),
        ({"active": "true"}, "Patient.active"),
        ({"birthDate": 1980}, "Patient.birthDate"),
        ({"maritalStatus": "M"}, "Patient.maritalStatus"),
        ({"maritalStatus": {"id": "a"}}, "Patient.maritalStatus"),
        ({"text": {"status": "generated"}}, "Patient.text.div"),
        ({"resourcetype": "x"}, "Patient.resourcetype"),
        ({"name": [{"resourceType": "HumanName"}]}, "Patient.name[0].resourceType"),
        ({"Name": [{"family": "a"}]}, "Patient.Name"),
        ({"_name": [{"id": "a"}]}, "Patient._name"),
        ({"fhir_comments": ["a"]}, "Patient.fhir_comments"),
        ({"a b": 1}, "Patient"),
        ({"x" * 100: 1}, "Patient"),
    ],
    ids=repr,
)
def test_a_member_that_is_not_what_the_definition_says_is_an_error_at_its_place(
    members: dict[str, Any], place: str
) -> None:
    assert [where for _, where in places(patient(**members))] == [place]


EXTENSION = {"extension": [{"url": "http://e.example/a", "valueCode": "x"}]}

# ---- choices


def test_a_choice_takes_the_types_it_lists() -> None:
    assert errors(observation(valueQuantity={"value": 1})) == []
    assert errors(observation(valueBoolean=False)) == []
    assert places(observation(valueAddress={"city": "a"})) == [
        ("structure", "Observation.valueAddress")
    ]
    assert places(observation(value={"value": 1})) == [("structure", "Observation.value")]


def test_a_choice_takes_one_type_only() -> None:
    assert places(observation(valueString="a", valueInteger=1)) == [
        ("structure", "Observation.value")
    ]
    assert places(observation(valueString="a", _valueInteger=EXTENSION)) == [
        ("structure", "Observation.value")
    ]
    assert errors(observation(valueString="a", _valueString={"id": "a"})) == []


def test_a_required_choice_may_be_any_of_its_types() -> None:
    request = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"display": "x"},
    }
    assert places(request) == [("required", "MedicationRequest.medication")]
    assert errors({**request, "medicationCodeableConcept": {"text": "a"}}) == []


# ---- primitives with ids and extensions


def test_an_extension_can_stand_for_a_value() -> None:
    """https://hl7.org/fhir/R4/json.html#primitive"""
    assert errors(patient(_birthDate=EXTENSION)) == []
    assert errors(patient(birthDate="1980", _birthDate=EXTENSION)) == []
    unknown = {"resourceType": "Observation", "_status": EXTENSION, "code": {"text": "x"}}
    assert errors(unknown) == []


def test_arrays_of_values_and_extensions_are_aligned_by_null() -> None:
    assert errors(patient(name=[{"given": ["a", None], "_given": [None, EXTENSION]}])) == []
    assert errors(patient(name=[{"_given": [EXTENSION]}])) == []
    assert errors(patient(name=[{"given": ["a"], "_given": [{"id": "b"}]}])) == []
    assert errors(patient(name=[{"given": ["a", "b"], "_given": [EXTENSION]}])) == []


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ({"given": ["a", None]}, "given[1]"),
        ({"given": [None], "_given": [None]}, "given[0]"),
        ({"given": ["a"], "_given": [None]}, "given"),
        ({"given": ["a"], "_given": [None, EXTENSION]}, "given"),
        ({"given": ["a"], "_given": []}, "given"),
        ({"given": ["a"], "_given": EXTENSION}, "given"),
        ({"given": ["a"], "_given": [{}]}, "given[0]"),
        ({"given": ["a"], "_given": ["b"]}, "given[0]"),
        ({"_family": None}, "family"),
        ({"_family": "a"}, "family"),
        ({"_family": {}}, "family"),
        ({"_family": [EXTENSION]}, "family"),
        ({"_family": {"id": "a"}}, "family"),
        ({"_given": [{"id": "a"}]}, "given[0]"),
        ({"_family": {"value": "a"}}, "family.value"),
    ],
    ids=repr,
)
def test_what_stands_beside_a_primitive_is_its_id_and_extensions_only(
    name: dict[str, Any], place: str
) -> None:
    found = [where for _, where in places(patient(name=[name]))]
    assert f"Patient.name[0].{place}" in found


# ---- extensions


@pytest.mark.parametrize(
    ("extension", "place"),
    [
        ({"valueCode": "x"}, ".url"),
        ({"url": "http://e.example/a"}, ""),
        (
            {
                "url": "http://e.example/a",
                "valueCode": "x",
                "extension": [{"url": "b", "valueCode": "x"}],
            },
            "",
        ),
        ({"url": "http://e.example/a", "valueCode": "x", "valueString": "y"}, ".value"),
        ({"url": "relative", "valueCode": "x"}, ".url"),
        ({"url": "http://e.example/a", "valuePatient": {}}, ".valuePatient"),
        ({"url": "http://e.example/a", "valueCode": 5}, ".valueCode"),
    ],
    ids=repr,
)
def test_an_extension_has_a_url_and_either_a_value_or_extensions(
    extension: dict[str, Any], place: str
) -> None:
    """ext-1 of https://hl7.org/fhir/R4/extensibility.html#Extension"""
    found = [where for _, where in places(patient(extension=[extension]))]
    assert f"Patient.extension[0]{place}" in found


def test_an_extension_inside_another_may_have_a_relative_url() -> None:
    nested = {"url": "http://e.example/a", "extension": [{"url": "part", "valueBoolean": True}]}
    assert errors(patient(extension=[nested])) == []


# ---- bindings


def test_a_code_outside_its_required_value_set_is_an_error_that_lists_what_is_allowed() -> None:
    (issue,) = errors(patient(gender="m"))
    assert (issue.code, issue.expression) == ("code-invalid", "Patient.gender")
    assert "female, male, other, unknown" in issue.text


def test_one_coding_of_a_concept_must_be_from_its_required_value_set() -> None:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"

    def condition(*codings: dict[str, str]) -> dict[str, Any]:
        return {
            "resourceType": "Condition",
            "subject": {"reference": "Patient/1"},
            "clinicalStatus": {"coding": list(codings)},
        }

    inside, outside = {"system": system, "code": "active"}, {"system": "urn:x", "code": "active"}
    assert errors(condition(inside)) == []
    assert errors(condition(outside, inside)) == []
    assert places(condition(outside)) == [("code-invalid", "Condition.clinicalStatus")]


@pytest.mark.parametrize(
    ("content_type", "valid"), [("text/plain; charset=utf-8", True), ("png", False), ("a b", False)]
)
def test_a_mime_type_is_type_and_subtype(content_type: str, valid: bool) -> None:
    """https://www.rfc-editor.org/rfc/bcp/bcp13.txt"""
    photo = patient(photo=[{"contentType": content_type}])
    assert (errors(photo) == []) == valid


def test_a_currency_is_one_of_iso_4217() -> None:
    def invoice(currency: str) -> dict[str, Any]:
        return {
            "resourceType": "Invoice",
            "status": "issued",
            "totalNet": {"value": 1.5, "currency": currency},
        }

    assert errors(invoice("EUR")) == []
    assert places(invoice("EURO")) == [("code-invalid", "Invoice.totalNet.currency")]


def test_a_simple_quantity_has_no_comparator() -> None:
    low = {"value": 1, "comparator": "<"}
    assert places(observation(referenceRange=[{"low": low}])) == [
        ("structure", "Observation.referenceRange[0].low.comparator")
    ]


# ---- limits


def nested_extension(levels: int) -> dict[str, Any]:
    extension: dict[str, Any] = {"url": "http://e.example/a", "valueBoolean": True}
    for _ in range(levels):
        extension = {"url": "http://e.example/a", "extension": [extension]}
    return extension


def test_deep_nesting_is_an_issue_and_not_a_crash() -> None:
    assert errors(patient(extension=[nested_extension(MAX_DEPTH - 3)])) == []
    (issue,) = errors(patient(extension=[nested_extension(5_000)]))
    assert issue.code == "too-costly"


def test_a_long_list_of_problems_is_cut_with_a_note() -> None:
    found = VALIDATOR.validate(patient(name=[{"family": ""}] * 1_000), "Patient")
    assert len(found) == MAX_ISSUES + 1
    assert (found[-1].severity, found[-1].code) == ("information", "too-costly")


def test_texts_and_places_never_repeat_a_value() -> None:
    secret = "Zanzibar-7391"
    broken = patient(
        id=f"{secret} ",
        birthDate=secret,
        gender=secret,
        active=secret,
        name=[{"use": secret, "period": {"start": secret}}],
        managingOrganization={"reference": f"Device/{secret}", "type": secret},
        text={"status": "generated", "div": f"<div>{secret}</div>"},
        photo=[{"data": secret, "url": f"{secret} ", "contentType": secret}],
    )
    found = errors(broken)
    assert len(found) >= 10
    assert not any(secret in issue.text or secret in issue.expression for issue in found)
