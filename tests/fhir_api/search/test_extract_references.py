"""Reference entries (https://hl7.org/fhir/R4/search.html#reference)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_api.search.extract import entries_of
from store.entries import ReferenceEntry

BASE = "https://our.example/fhir"


def references(resource: dict[str, Any], param: str) -> list[ReferenceEntry]:
    found = entries_of(resource["resourceType"], resource, BASE)
    return [e for e in found if isinstance(e, ReferenceEntry) and e.param == param]


def subject(reference: object, **more: object) -> dict[str, Any]:
    return {"resourceType": "Observation", "subject": {"reference": reference, **more}}


@pytest.mark.parametrize(
    "text",
    [
        "Patient/1",
        "Patient/1/_history/3",
        "https://our.example/fhir/Patient/1",
        "https://our.example/fhir/Patient/1/_history/3",
    ],
)
def test_a_reference_to_ourselves_is_local_and_has_no_version(text: str) -> None:
    assert references(subject(text), "subject") == [ReferenceEntry("subject", "Patient", "1")]


def test_a_reference_to_another_server_is_kept_by_its_url_without_the_version() -> None:
    elsewhere = ReferenceEntry("subject", url="https://other.example/r4/Patient/1")
    assert references(subject("https://other.example/r4/Patient/1"), "subject") == [elsewhere]
    assert references(subject("https://other.example/r4/Patient/1/_history/2"), "subject") == [
        elsewhere
    ]


def test_a_base_that_only_begins_like_ours_is_another_server() -> None:
    (entry,) = references(subject("https://our.example/fhir/tenant/Patient/1"), "subject")
    assert entry.url == "https://our.example/fhir/tenant/Patient/1"


def test_a_urn_is_kept_as_it_is() -> None:
    urn = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
    assert references(subject(urn), "subject") == [ReferenceEntry("subject", url=urn)]


def test_a_contained_resource_is_not_indexed() -> None:
    assert references(subject("#p"), "subject") == []


def test_patient_takes_those_references_that_point_at_a_patient() -> None:
    """``Observation.subject.where(resolve() is Patient)``"""
    assert references(subject("Patient/1"), "patient") == [
        ReferenceEntry("patient", "Patient", "1")
    ]
    assert references(subject("Group/1"), "patient") == []
    assert references(subject("https://other.example/r4/Patient/1"), "patient") != []
    assert references(subject("urn:uuid:1"), "patient") == []
    assert references(subject("urn:uuid:1", type="Patient"), "patient") != []


def test_a_logical_reference_is_found_by_its_identifier() -> None:
    """https://hl7.org/fhir/R4/references.html#logical"""
    by_identifier = {"identifier": {"system": "urn:mrn", "value": "7"}, "type": "Patient"}
    observation = {"resourceType": "Observation", "subject": by_identifier}
    assert references(observation, "subject") == [ReferenceEntry("subject", identifier="urn:mrn|7")]
    assert references(observation, "patient") == [ReferenceEntry("patient", identifier="urn:mrn|7")]


def test_an_identifier_beside_a_literal_reference_is_kept_with_it() -> None:
    both = subject("Patient/1", identifier={"value": "7"})
    assert references(both, "subject") == [
        ReferenceEntry("subject", "Patient", "1", identifier="|7")
    ]


def test_a_canonical_is_a_reference_by_url_with_and_without_its_version() -> None:
    response = {"resourceType": "QuestionnaireResponse", "questionnaire": "http://q.example/a|2"}
    assert [e.url for e in references(response, "questionnaire")] == [
        "http://q.example/a",
        "http://q.example/a|2",
    ]


def test_a_canonical_that_names_our_own_resource_is_local() -> None:
    response = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{BASE}/Questionnaire/q1|2",
    }
    assert references(response, "questionnaire") == [
        ReferenceEntry("questionnaire", "Questionnaire", "q1")
    ]


def test_only_related_artifacts_of_the_kind_count() -> None:
    """``Library.relatedArtifact.where(type='depends-on').resource``"""
    library = {
        "resourceType": "Library",
        "relatedArtifact": [
            {"type": "depends-on", "resource": "http://l.example/a"},
            {"type": "citation", "resource": "http://l.example/b"},
        ],
    }
    assert [e.url for e in references(library, "depends-on")] == ["http://l.example/a"]


def test_the_first_resource_of_a_document_is_its_composition() -> None:
    """``Bundle.entry[0].resource``"""
    bundle = {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [
            {"resource": {"resourceType": "Composition", "id": "c"}},
            {"resource": {"resourceType": "Patient", "id": "p"}},
        ],
    }
    assert references(bundle, "composition") == [ReferenceEntry("composition", "Composition", "c")]
    assert references(bundle, "message") == []


def test_a_canonical_counts_where_a_uri_is_asked_for() -> None:
    """``ConceptMap.source as uri``: 'of the type specified, or a subclass thereof' (FHIRPath, as)."""
    concept_map = {"resourceType": "ConceptMap", "sourceCanonical": "http://v.example/ValueSet/a"}
    assert [e.url for e in references(concept_map, "source-uri")] == ["http://v.example/ValueSet/a"]
