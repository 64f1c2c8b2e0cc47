"""Findings as FHIR: shapes, fixed values of the AI Transparency profiles, deterministic ids."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.validation import Validator
from inference.results import wording
from inference.results.authored import authored
from inference.results.bundle import resources, task_outputs, transaction
from inference.results.case import Finding
from inference.results.device import device, model_card, organization
from inference.results.identity import result_id, result_uid
from tests.inference.results.sample import ADULT, CASE, LUNG, MODEL, PNEUMONIA, result

C = "http://hl7.org/fhir/uv/aitransparency"
AIAST = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
VALIDATOR = Validator()


def by_type(probability: float = 0.9731, **changes: Any) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {}
    for resource in resources(replace(result(probability), **changes)):
        made.setdefault(resource["resourceType"], []).append(resource)
    return made


@pytest.mark.parametrize("probability", [0.0, 0.0001, 0.5, 0.61, 0.9731, 1.0])
@pytest.mark.parametrize("cautions", [(), (ADULT,)])
def test_everything_is_valid_r4(probability: float, cautions: Any) -> None:
    made = resources(replace(result(probability), cautions=cautions))
    made += [device(MODEL), model_card(MODEL), organization("healthvision", "HealthVision")]
    for resource in made:
        assert VALIDATOR.validate(resource, resource["resourceType"]) == []


def test_the_same_task_always_leaves_the_same_ids() -> None:
    first = [(one["resourceType"], one["id"]) for one in resources(result(0.2))]
    again = [(one["resourceType"], one["id"]) for one in resources(result(0.9))]
    assert first == again
    assert len(set(first)) == len(first)
    assert result_id("a", "report") != result_id("b", "report")


@given(st.text(min_size=1, max_size=64))
def test_ids_and_uids_are_legal(task: str) -> None:
    """https://hl7.org/fhir/R4/datatypes.html#id, PS3.5 section 9"""
    assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", result_id(task, "report"))
    assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", result_uid(task, "report"))


def test_all_is_labelled_as_asserted_by_an_ai() -> None:
    for type, made in by_type().items():
        if type == "Binary":
            continue
        for resource in made:
            labels = [(one["system"], one["code"]) for one in resource["meta"]["security"]]
            assert labels == [(AIAST, "AIAST")], type


def test_the_observation_says_probability_threshold_and_presence() -> None:
    [observation] = by_type()["Observation"]
    assert observation["status"] == "preliminary"
    assert observation["valueCodeableConcept"]["coding"][0]["display"] == "Detected"
    assert observation["interpretation"][0]["coding"][0]["code"] == "POS"
    assert observation["extension"] == [
        {"url": f"{C}/StructureDefinition/AIconfidence", "valueDecimal": 0.973}
    ]
    certainty, threshold = observation["component"]
    assert certainty["code"]["coding"][0]["code"] == "111012"
    assert certainty["valueQuantity"]["value"] == 97.3
    assert threshold["valueQuantity"]["value"] == 61.0
    references = [one["reference"] for one in observation["derivedFrom"]]
    assert references[0] == CASE.source
    assert [one.split("/")[0] for one in references[1:]] == ["Media", "Media"]
    assert "performer" in observation
    assert not any("Device" in one["reference"] for one in observation["performer"])


def test_below_the_threshold_nothing_is_detected() -> None:
    [observation] = by_type(0.6)["Observation"]
    assert observation["valueCodeableConcept"]["coding"][0]["display"] == "Not detected"
    assert observation["interpretation"][0]["coding"][0]["code"] == "NEG"


@pytest.mark.parametrize(
    ("probability", "decimal", "sign", "text"),
    [
        (0.0, 0.001, "<", "< 0.1 %"),
        (0.0004, 0.001, "<", "< 0.1 %"),
        (0.123456, 0.123, None, "12.3 %"),
        (0.99949, 0.999, ">", "> 99.9 %"),
        (1.0, 0.999, ">", "> 99.9 %"),
    ],
)
def test_no_probability_is_spelled_beyond_what_was_measured(
    probability: float, decimal: float, sign: str | None, text: str
) -> None:
    assert wording.decimal(probability) == decimal
    assert wording.comparator(probability) == sign
    assert wording.percent(probability) == text


@given(st.floats(0, 1))
def test_a_probability_is_short_and_never_certain(probability: float) -> None:
    value = wording.decimal(probability)
    assert 0 < value < 1
    assert len(json.dumps(value)) <= 5
    [observation] = [
        one for one in resources(result(probability)) if one["resourceType"] == "Observation"
    ]
    quantity = observation["component"][0]["valueQuantity"]
    assert quantity["value"] == round(100 * value, 1)


def test_an_adult_is_warned_of_in_conclusion_note_and_component() -> None:
    made = by_type(cautions=(ADULT,))
    [observation], [report] = made["Observation"], made["DiagnosticReport"]
    assert ADULT.text in report["conclusion"]
    assert any(ADULT.text in note["text"] for note in observation["note"])
    coding = observation["component"][2]["valueCodeableConcept"]["coding"][0]
    assert coding["code"] == "outside-training-ages-adult"


def test_the_report_is_preliminary_unreviewed_and_unsigned() -> None:
    made = by_type()
    [report] = made["DiagnosticReport"]
    assert report["status"] == "preliminary"
    assert wording.UNREVIEWED in report["conclusion"]
    assert "AI" in report["conclusion"]
    assert "resultsInterpreter" not in report
    assert report["category"][0]["coding"][0]["code"] == "RAD"
    assert [one["reference"] for one in report["result"]] == [
        f"Observation/{made['Observation'][0]['id']}"
    ]
    assert {one["contentType"] for one in report["presentedForm"]} == {
        "text/html;charset=utf-8",
        "application/pdf",
    }


def test_the_provenance_has_the_profiles_fixed_values() -> None:
    """AI-Provenance: the author's role is exactly the coding, without display or text."""
    made = by_type()
    [provenance] = made["Provenance"]
    assert provenance["meta"]["profile"] == [f"{C}/StructureDefinition/AI-Provenance"]
    author = provenance["agent"][0]
    kind = {
        "coding": [{"system": f"{C}/CodeSystem/AIdeviceTypeCS", "code": "Artificial-Intelligence"}]
    }
    assert author["role"] == [kind]
    assert author["who"] == {"reference": f"Device/{MODEL.device}"}
    assert [one["role"] for one in provenance["entity"]] == ["source", "derivation"]
    targets = {one["reference"] for one in provenance["target"]}
    for type in ("DiagnosticReport", "Observation", "Media", "Binary"):
        assert {f"{type}/{one['id']}" for one in made[type]} <= targets


def test_device_and_card_have_the_profiles_fixed_values() -> None:
    said, card = device(MODEL), model_card(MODEL)
    kind = {
        "coding": [{"system": f"{C}/CodeSystem/AIdeviceTypeCS", "code": "Artificial-Intelligence"}]
    }
    assert said["type"] == kind
    assert said["identifier"][0]["value"] == MODEL.sha256
    assert said["extension"][1]["valueReference"] == {
        "reference": f"DocumentReference/{card['id']}"
    }
    assert card["type"] == {
        "coding": [{"system": f"{C}/CodeSystem/AIinputsCS", "code": "AIModelCard"}]
    }
    assert card["category"][0]["coding"][0]["display"] == "Markdown Format"
    assert card["content"][0]["attachment"]["contentType"] == "text/markdown"


def test_the_bundle_completes_the_task_on_its_version() -> None:
    outputs = resources(result())
    body = transaction("http://x/fhir", outputs, "task-1", msgspec.Raw(b'{"a":1.10}'), "7")
    assert b'{"a":1.10}' in body
    bundle = json.loads(body)
    assert [one["request"]["method"] for one in bundle["entry"]] == ["PUT"] * (len(outputs) + 1)
    last = bundle["entry"][-1]
    assert last["request"] == {"method": "PUT", "url": "Task/task-1", "ifMatch": 'W/"7"'}
    for entry in bundle["entry"][:-1]:
        reference = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        assert entry["request"]["url"] == reference
        assert entry["fullUrl"] == f"http://x/fhir/{reference}"


def test_the_tasks_outputs_begin_with_the_report() -> None:
    kinds = [one["type"]["coding"][0]["code"] for one in task_outputs(resources(result()))]
    assert kinds == ["report", "observation", "explanation", "explanation"]


def test_several_findings_make_several_observations() -> None:
    second = Finding(
        replace(PNEUMONIA, code="60046008", display="Pleural effusion"), LUNG, 0.2, 0.5
    )
    made = by_type(findings=(*result().findings, second))
    assert len({one["id"] for one in made["Observation"]}) == 2
    assert "Pleural effusion: not detected" in made["DiagnosticReport"][0]["conclusion"]


def test_a_picture_without_a_study_makes_no_imaging_study_reference() -> None:
    case = replace(CASE, source="Binary/b", study_instance_uid=None, study_started=None)
    made = by_type(case=case)
    assert "imagingStudy" not in made["DiagnosticReport"][0]
    assert "effectiveDateTime" not in made["DiagnosticReport"][0]
    derived = [one["reference"] for one in made["Observation"][0]["derivedFrom"]]
    assert all(one.startswith("Media/") for one in derived)


def test_what_is_no_r4_never_leaves() -> None:
    with pytest.raises(ValueError, match="status"):
        authored({"resourceType": "Observation", "id": "x", "code": {"text": "y"}})


@pytest.mark.parametrize(
    "change", [{"status": 5}, {"status": ["final"]}, {"note": [{"text": {}}]}, {"unknown": "x"}]
)
def test_a_resource_like_one_that_passed_is_read_again_where_it_differs_in_kind(
    change: dict[str, Any],
) -> None:
    said = {"resourceType": "Observation", "status": "final", "code": {"text": "y"}}
    assert authored(said | {"note": [{"text": "z"}]})
    assert authored(said | {"note": [{"text": "another"}]})
    with pytest.raises(ValueError, match="validation error"):
        authored(said | change)
