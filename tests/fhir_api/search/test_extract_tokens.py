"""Token entries (https://hl7.org/fhir/R4/search.html#token)."""

from __future__ import annotations

from typing import Any

from fhir_api.search.extract import entries_of
from store.entries import TokenEntry

BASE = "https://our.example/fhir"
SPECIAL = "http://terminology.hl7.org/CodeSystem/special-values"


def tokens(resource: dict[str, Any], param: str) -> list[tuple[str | None, str, str]]:
    found = entries_of(resource["resourceType"], resource, BASE)
    return [
        (e.system, e.code, e.text) for e in found if isinstance(e, TokenEntry) and e.param == param
    ]


def test_a_code_has_the_system_of_the_value_set_it_is_bound_to() -> None:
    """'code: the system is defined in the value set'"""
    task = {"resourceType": "Task", "status": "requested", "intent": "order"}
    assert tokens(task, "status") == [("http://hl7.org/fhir/task-status", "requested", "")]


def test_a_code_that_several_systems_of_its_value_set_share_has_none() -> None:
    parameter = {"resourceType": "OperationDefinition", "kind": "operation", "code": "claim"}
    assert tokens(parameter, "code") == [(None, "claim", "")]


def test_a_concept_is_each_of_its_codings_with_its_display_as_text() -> None:
    observation = {
        "resourceType": "Observation",
        "code": {
            "coding": [
                {"system": "http://loinc.org", "code": "718-7", "display": "Hémoglobine  totale"},
                {"code": "hgb"},
            ]
        },
    }
    expected = [("http://loinc.org", "718-7", "hemoglobine totale"), (None, "hgb", "")]
    assert tokens(observation, "code") == expected


def test_the_text_of_a_concept_is_found_where_no_display_says_it() -> None:
    """:text matches 'the text associated with the codes': CodeableConcept.text or Coding.display."""
    displayed = {"coding": [{"code": "a", "display": "Fever"}], "text": "High fever"}
    bare = {"coding": [{"code": "a"}], "text": "High fever"}
    only_text = {"text": "High fever"}
    assert tokens({"resourceType": "Condition", "code": displayed}, "code") == [
        (None, "a", "fever"),
        (None, "", "high fever"),
    ]
    assert tokens({"resourceType": "Condition", "code": bare}, "code") == [
        (None, "a", "high fever")
    ]
    assert tokens({"resourceType": "Condition", "code": only_text}, "code") == [
        (None, "", "high fever")
    ]


def test_an_identifier_is_its_system_and_value_and_is_found_by_its_type() -> None:
    patient = {
        "resourceType": "Patient",
        "identifier": [
            {
                "type": {
                    "coding": [{"system": "urn:types", "code": "MR"}],
                    "text": "Medical Record",
                },
                "system": "urn:mrn",
                "value": "123",
            },
            {"value": "456"},
            {"system": "urn:no-value"},
        ],
    }
    assert tokens(patient, "identifier") == [
        ("urn:mrn", "123", "medical record"),
        (None, "456", ""),
    ]
    assert tokens(patient, "identifier:of-type") == [("urn:types|MR", "123", "")]


def test_a_boolean_is_a_token() -> None:
    assert tokens({"resourceType": "Patient", "active": False}, "active") == [
        (SPECIAL, "false", "")
    ]


def test_a_contact_point_counts_for_the_kinds_it_is_of() -> None:
    patient = {
        "resourceType": "Patient",
        "telecom": [
            {"system": "phone", "value": "555"},
            {"system": "email", "value": "a@b.example"},
        ],
    }
    assert tokens(patient, "telecom") == [("phone", "555", ""), ("email", "a@b.example", "")]
    assert tokens(patient, "phone") == [("phone", "555", "")]
    assert tokens(patient, "email") == [("email", "a@b.example", "")]


def test_deceased_is_true_for_a_date_and_false_where_nothing_is_said() -> None:
    """https://hl7.org/fhir/R4/patient.html#search"""
    at = {"resourceType": "Patient", "deceasedDateTime": "2020"}
    yes = {"resourceType": "Patient", "deceasedBoolean": True}
    no = {"resourceType": "Patient", "deceasedBoolean": False}
    unsaid = {"resourceType": "Patient"}
    found = [tokens(patient, "deceased")[0][1] for patient in (at, yes, no, unsaid)]
    assert found == ["true", "true", "false", "false"]


def test_tags_and_security_labels_of_any_resource_are_tokens() -> None:
    """https://hl7.org/fhir/R4/search.html#all"""
    binary = {
        "resourceType": "Binary",
        "meta": {
            "tag": [{"system": "urn:t", "code": "x"}],
            "security": [{"system": "urn:s", "code": "R"}],
        },
    }
    assert tokens(binary, "_tag") == [("urn:t", "x", "")]
    assert tokens(binary, "_security") == [("urn:s", "R", "")]


def test_a_value_that_stands_twice_has_one_entry() -> None:
    coding = {"system": "urn:s", "code": "x"}
    patient = {"resourceType": "Patient", "meta": {"tag": [coding, coding]}}
    assert tokens(patient, "_tag") == [("urn:s", "x", "")]


def test_the_value_of_an_extension_is_indexed_where_a_parameter_names_it() -> None:
    gene = {"coding": [{"system": "http://www.genenames.org", "code": "HGNC:1100"}]}
    url = "http://hl7.org/fhir/StructureDefinition/observation-geneticsGene"
    observation = {
        "resourceType": "Observation",
        "extension": [
            {"url": "urn:other", "valueCode": "no"},
            {"url": url, "valueCodeableConcept": gene},
        ],
    }
    assert tokens(observation, "gene-identifier") == [("http://www.genenames.org", "HGNC:1100", "")]
