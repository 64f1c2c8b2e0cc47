"""The profiles of R4 itself (https://hl7.org/fhir/R4/profilelist.html), vital signs above all.

https://hl7.org/fhir/R4/observation-vitalsigns.html
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fhir_api.definitions.profiles import published_profile_urls
from fhir_api.validation import Validator
from tests.fhir_api.validation.profiles.small import R4, errors

THO = "http://terminology.hl7.org/CodeSystem"
Tree = dict[str, Any]


def _coded(system: str, code: str) -> Tree:
    return {"coding": [{"system": system, "code": code}]}


def _pressure(code: str, value: int) -> Tree:
    quantity = {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org"}
    return {
        "code": _coded("http://loinc.org", code),
        "valueQuantity": {**quantity, "code": "mm[Hg]"},
    }


BLOOD_PRESSURE: Tree = {
    "resourceType": "Observation",
    "meta": {"profile": [R4 + "bp"]},
    "status": "final",
    "category": [_coded(f"{THO}/observation-category", "vital-signs")],
    "code": _coded("http://loinc.org", "85354-9"),
    "subject": {"reference": "Patient/p"},
    "effectiveDateTime": "2026-03-01",
    "component": [_pressure("8480-6", 107), _pressure("8462-4", 60)],
}

Change = Callable[[Tree], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda o: None,
        lambda o: o["code"]["coding"].insert(0, {"system": "urn:oid:1.2", "code": "local"}),
        lambda o: o["category"].append({"text": "other"}),
        lambda o: o.update(subject={"display": "somebody"}),
        lambda o: o["component"][0].pop("valueQuantity")
        and o["component"][0].update(dataAbsentReason=_coded(f"{THO}/data-absent-reason", "unknown")),
        lambda o: o.update(derivedFrom=[{"reference": "ImagingStudy/s"}]),
    ],
)  # fmt: skip
def test_a_blood_pressure_by_the_profile_is_valid(change: Change) -> None:
    observation = copy.deepcopy(BLOOD_PRESSURE)
    change(observation)
    assert errors(Validator(), observation) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda o: o.pop("category"), "Observation.category"),
        (lambda o: o["category"][0]["coding"][0].update(code="imaging"), "Observation.category"),
        (lambda o: o.pop("subject"), "Observation.subject"),
        (lambda o: o.update(subject={"reference": "Device/d"}), "Observation.subject"),
        (lambda o: o.pop("effectiveDateTime"), "Observation.effective"),
        (lambda o: o["code"]["coding"][0].update(code="8867-4"), "Observation.code.coding"),
        (lambda o: o.update(valueString="high"), "Observation.valueString"),
        (lambda o: o["component"].pop(), "Observation.component"),
        (
            lambda o: o["component"][0]["valueQuantity"].update(code="kg"),
            "Observation.component[0].valueQuantity.code",
        ),
        (
            lambda o: o["component"][1]["valueQuantity"].pop("unit"),
            "Observation.component[1].valueQuantity.unit",
        ),
        (lambda o: o["component"].append(o["component"][0]), "Observation.component"),
    ],
)
def test_what_the_profile_of_blood_pressures_forbids_is_refused(change: Change, place: str) -> None:
    observation = copy.deepcopy(BLOOD_PRESSURE)
    change(observation)
    assert place in [found for found, _ in errors(Validator(), observation)]


def test_without_a_claim_no_profile_is_asked_for() -> None:
    """The reference validator (6.7) applies vital signs by meta.profile only; so does this one."""
    observation = {k: v for k, v in BLOOD_PRESSURE.items() if k not in ("meta", "subject")}
    assert errors(Validator(), observation) == []


def test_every_profile_and_extension_of_r4_can_be_used() -> None:
    profiles = Validator().profiles
    unusable = {u for u in published_profile_urls() if (p := profiles.get(u)) and p.rule is None}
    partly = {u for u in published_profile_urls() if (p := profiles.get(u)) and p.problems}
    assert len(published_profile_urls()) == 441
    assert unusable == set()
    # Their slices say nothing that tells one from another.
    assert partly == {R4 + "example-composition", R4 + "familymemberhistory-genetic"}


def test_a_profile_of_another_type_is_refused() -> None:
    [(place, text)] = errors(
        Validator(), {"resourceType": "Patient", "meta": {"profile": [R4 + "bp"]}}
    )
    assert place == "Patient.meta.profile[0]"
    assert text == "This is a profile of Observation, not of Patient."


def test_a_profile_that_is_not_loaded_is_a_warning_or_an_error_as_it_is_set() -> None:
    patient = {"resourceType": "Patient", "meta": {"profile": ["http://example.org/unheard-of"]}}
    assert errors(Validator(), patient) == []
    warnings = Validator().validate(patient, "Patient", advice=True)
    assert ("warning", "Patient.meta.profile[0]") in [(w.severity, w.expression) for w in warnings]
    strict = Validator(unknown_profiles_are_errors=True)
    assert [place for place, _ in errors(strict, patient)] == ["Patient.meta.profile[0]"]


def test_profiles_are_held_against_contained_resources_and_entries_too() -> None:
    claim = {"resourceType": "Observation", "meta": {"profile": [R4 + "bp"]}, "status": "final"}
    entry = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {**claim, "code": {"text": "x"}}}],
    }
    places = [place for place, _ in errors(Validator(), entry)]
    assert "Bundle.entry[0].resource.category" in places
