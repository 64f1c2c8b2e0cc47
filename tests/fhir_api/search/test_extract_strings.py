"""String and uri entries (https://hl7.org/fhir/R4/search.html#string, #uri)."""

from __future__ import annotations

from typing import Any

from fhir_api.search.extract import entries_of
from store.entries import StringEntry, UriEntry

BASE = "https://our.example/fhir"


def strings(resource: dict[str, Any], param: str) -> list[str]:
    found = entries_of(resource["resourceType"], resource, BASE)
    return [e.normalised for e in found if isinstance(e, StringEntry) and e.param == param]


def uris(resource: dict[str, Any], param: str) -> list[str]:
    found = entries_of(resource["resourceType"], resource, BASE)
    return [e.uri for e in found if isinstance(e, UriEntry) and e.param == param]


def test_every_part_of_a_name_is_found_by_name_and_single_parts_by_their_own_parameter() -> None:
    patient = {
        "resourceType": "Patient",
        "name": [
            {
                "use": "official",
                "text": "Dr. Zoë Müller",
                "family": "Müller",
                "given": ["Zoë", "Anna"],
                "prefix": ["Dr."],
                "suffix": ["MD"],
            }
        ],
    }
    assert strings(patient, "name") == ["muller", "zoe", "anna", "dr.", "md", "dr. zoe muller"]
    assert strings(patient, "family") == ["muller"]
    assert strings(patient, "given") == ["zoe", "anna"]


def test_what_was_written_is_kept_for_exact_matches() -> None:
    found = entries_of("Patient", {"resourceType": "Patient", "name": [{"family": "Müller"}]}, BASE)
    assert StringEntry("family", "muller", "Müller") in found


def test_the_parts_of_an_address_are_found_but_not_its_use_or_type() -> None:
    patient = {
        "resourceType": "Patient",
        "address": [
            {
                "use": "home",
                "type": "both",
                "line": ["1 High St", "Flat 2"],
                "city": "Perth",
                "district": "Rainbow",
                "state": "Vic",
                "postalCode": "3999",
                "country": "AU",
                "period": {"start": "1974"},
            }
        ],
    }
    expected = ["1 high st", "flat 2", "perth", "rainbow", "vic", "3999", "au"]
    assert strings(patient, "address") == expected
    assert strings(patient, "address-city") == ["perth"]


def test_a_string_parameter_on_the_text_of_a_concept_reads_that_text() -> None:
    observation = {"resourceType": "Observation", "valueCodeableConcept": {"text": "Très élevé"}}
    assert strings(observation, "value-string") == ["tres eleve"]


def test_a_uri_is_kept_as_it_was_sent() -> None:
    """'URI matches are precise, e.g. case, accent, and escape sensitive'"""
    value_set = {"resourceType": "ValueSet", "url": "http://Example.org/ValueSet/A"}
    assert uris(value_set, "url") == ["http://Example.org/ValueSet/A"]


def test_a_canonical_is_found_with_and_without_its_version() -> None:
    patient = {
        "resourceType": "Patient",
        "meta": {"profile": ["http://p.example/a|1.0", "http://p.example/b"]},
    }
    assert uris(patient, "_profile") == [
        "http://p.example/a|1.0",
        "http://p.example/a",
        "http://p.example/b",
    ]
