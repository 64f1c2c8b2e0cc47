"""Extensions are held to their definitions (https://hl7.org/fhir/R4/defining-extensions.html#context)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_api.validation import Validator
from tests.fhir_api.validation.profiles.small import BASE, R4, errors, knowing, profile

BIRTH_PLACE = {"url": R4 + "patient-birthPlace", "valueAddress": {"city": "Bern"}}


def test_an_extension_of_r4_stands_where_its_definition_allows_it() -> None:
    validator = Validator()
    assert errors(validator, {"resourceType": "Patient", "extension": [BIRTH_PLACE]}) == []
    [(place, text)] = errors(
        validator, {"resourceType": "Practitioner", "extension": [BIRTH_PLACE]}
    )
    assert place == "Practitioner.extension[0]"
    assert text == "By its definition this extension may not stand here."


def test_an_extension_of_r4_has_a_value_of_its_definitions_type() -> None:
    wrong = {"url": R4 + "patient-birthPlace", "valueString": "Bern"}
    [(place, _)] = errors(Validator(), {"resourceType": "Patient", "extension": [wrong]})
    assert place == "Patient.extension[0].valueString"


def test_what_modifies_nothing_is_no_modifier_extension() -> None:
    """https://hl7.org/fhir/R4/extensibility.html#modifierExtension"""
    [(place, text)] = errors(
        Validator(), {"resourceType": "Patient", "modifierExtension": [BIRTH_PLACE]}
    )
    assert place == "Patient.modifierExtension[0]"
    assert "must not be a modifierExtension" in text


def test_an_extension_that_nobody_here_knows_is_a_note() -> None:
    patient = {
        "resourceType": "Patient",
        "extension": [{"url": "http://example.org/x", "valueString": "x"}],
    }
    assert errors(Validator(), patient) == []
    notes = Validator().validate(patient, "Patient", advice=True)
    assert [(n.severity, n.expression) for n in notes if "extension" in n.expression] == [
        ("information", "Patient.extension[0]")
    ]


def colour(*contexts: tuple[str, str]) -> dict[str, Any]:
    return profile(
        "Extension",
        {"path": "value[x]", "min": 1, "type": [{"code": "code"}]},
        name="colour",
        context=[{"type": kind, "expression": said} for kind, said in contexts],
    )


RED = {"url": BASE + "colour", "valueCode": "red"}
EVERYWHERE: dict[str, dict[str, Any]] = {
    "Patient": {"extension": [RED]},
    "Patient.name": {"name": [{"text": "x", "extension": [RED]}]},
    "Patient.name.family": {"name": [{"_family": {"extension": [RED]}}]},
    "Patient.name.given": {"name": [{"given": ["a", None], "_given": [None, {"extension": [RED]}]}]},
    "Patient.contact.name": {"contact": [{"name": {"text": "x", "extension": [RED]}}]},
    "Patient.contact": {"contact": [{"name": {"text": "x"}, "extension": [RED]}]},
    "Patient.deceased[x]": {"deceasedBoolean": True, "_deceasedBoolean": {"extension": [RED]}},
    "Patient.meta.security": {"meta": {"security": [{"code": "a", "system": "urn:x:y", "extension": [RED]}]}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "places"),
    [
        ("Patient", {"Patient"}),
        ("Resource", {"Patient"}),
        ("DomainResource", {"Patient"}),
        ("Element", set(EVERYWHERE)),
        ("HumanName", {"Patient.name", "Patient.contact.name"}),
        ("HumanName.family", {"Patient.name.family"}),
        ("string", {"Patient.name.family", "Patient.name.given"}),
        ("Patient.name", {"Patient.name"}),
        ("Patient.contact.name", {"Patient.contact.name"}),
        ("Patient.contact", {"Patient.contact"}),
        ("BackboneElement", {"Patient.contact"}),
        ("Patient.deceased[x]", {"Patient.deceased[x]"}),
        ("boolean", {"Patient.deceased[x]"}),
        ("Resource.meta.security", {"Patient.meta.security"}),
        ("Coding", {"Patient.meta.security"}),
        ("Observation", set()),
        ("SomethingOfR5", set(EVERYWHERE)),
    ],
)
def test_a_context_names_types_and_paths(said: str, places: set[str]) -> None:
    validator = knowing(colour(("element", said)))
    allowed = {
        place
        for place, members in EVERYWHERE.items()
        if not errors(validator, {"resourceType": "Patient", **members})
    }
    assert allowed == places


def test_a_context_may_be_another_extension_or_a_path() -> None:
    inside = {"url": "http://example.org/outer", "extension": [RED]}
    patient = {"resourceType": "Patient", "extension": [inside]}
    assert errors(knowing(colour(("extension", "http://example.org/outer"))), patient) == []
    assert errors(knowing(colour(("extension", "http://example.org/other"))), patient) != []
    named = {
        "resourceType": "Patient",
        "name": [{"use": "old"}, {"use": "usual", "extension": [RED]}],
    }
    assert errors(knowing(colour(("fhirpath", "Patient.name.where(use = 'usual')"))), named) == []
    assert errors(knowing(colour(("fhirpath", "Patient.name.where(use = 'old')"))), named) != []


def test_a_contained_resource_and_an_entry_are_places_of_their_own() -> None:
    validator = knowing(colour(("element", "Organization")))
    contained = {
        "resourceType": "Patient",
        "managingOrganization": {"reference": "#o"},
        "contained": [{"resourceType": "Organization", "id": "o", "name": "A", "extension": [RED]}],
    }
    assert errors(validator, contained) == []
    assert errors(knowing(colour(("element", "Patient"))), contained) != []
