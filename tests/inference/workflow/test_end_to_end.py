"""From a posted Task to its report, over real HTTP: a server, a worker, a model, pixels."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from fhir_api.validation import Validator
from inference.models.registry import InstalledModel
from inference.workflow.reading import OutOfScope
from tests.inference.workflow.site import Site, png, radiograph, worker
from tests.inference.workflow.small_model import install_small_model

RESULT_TYPES = ("DiagnosticReport", "Observation", "Provenance")


def reason_of(task: dict[str, Any]) -> str:
    return str(task["statusReason"]["coding"][0]["code"])


def output(task: dict[str, Any], type: str) -> list[str]:
    references = [one["valueReference"]["reference"] for one in task["output"]]
    return [reference for reference in references if reference.startswith(f"{type}/")]


async def no_results(here: Site) -> bool:
    return not any([await here.found(type) for type in RESULT_TYPES])


async def test_a_radiograph_becomes_an_explained_report(here: Site, model: InstalledModel) -> None:
    patient = await here.patient()
    study = await here.upload(patient, radiograph())
    async with worker(here, model):
        task = await here.settled((await here.order(study, patient))["id"])
    assert task["status"] == "completed", task
    assert task["owner"] == {"reference": "Device/ai-chest-xray-pneumonia-0.0.1"}
    assert {"start", "end"} <= task["executionPeriod"].keys()
    [reference] = output(task, "DiagnosticReport")
    report = await here.read(reference)
    assert report["status"] == "preliminary"
    assert report["subject"] == {"reference": patient}
    assert report["imagingStudy"] == [{"reference": study}]
    assert "No person has reviewed" in report["conclusion"]
    assert "resultsInterpreter" not in report
    observation = await here.read(report["result"][0]["reference"])
    assert observation["extension"][0]["valueDecimal"] == 0.953
    assert observation["component"][0]["valueQuantity"]["value"] == 95.3
    assert observation["device"]["reference"] == task["owner"]["reference"]
    media = [await here.read(one["link"]["reference"]) for one in report["media"]]
    for form in [*report["presentedForm"], *(one["content"] for one in media)]:
        file = await here.http.get(f"/fhir/{form['url']}", headers={"accept": form["contentType"]})
        assert file.headers["content-type"].replace(" ", "") == form["contentType"]
        assert len(file.content) == form["size"]
        sha1 = hashlib.sha1(file.content, usedforsecurity=False).digest()
        assert base64.b64encode(sha1).decode() == form["hash"]
    [provenance] = await here.found(f"Provenance?target={reference}")
    assert len(provenance["target"]) == 8
    assert provenance["agent"][0]["who"] == task["owner"]
    validator = Validator()
    for type in (*RESULT_TYPES, "Media", "Device", "DocumentReference", "Organization"):
        for resource in await here.found(type):
            assert validator.validate(resource, type) == []


async def test_a_task_with_neither_code_nor_device_is_done_for_its_study(
    here: Site, model: InstalledModel
) -> None:
    patient = await here.patient()
    study = await here.upload(patient, radiograph())
    task = {"resourceType": "Task", "status": "requested", "intent": "order"}
    async with worker(here, model):
        posted = await here.create(task | {"focus": {"reference": study}})
        assert (await here.settled(posted["id"]))["status"] == "completed"


async def test_what_the_requester_wrote_in_the_task_stays_as_it_was(
    here: Site, model: InstalledModel
) -> None:
    patient = await here.patient()
    study = await here.upload(patient, radiograph())
    body = (
        '{"resourceType":"Task","status":"requested","intent":"order","code":{"coding":[{"system":'
        '"urn:healthvision:analysis","code":"chest-xray-pneumonia"}]},"focus":{"reference":"%s"},'
        '"input":[{"type":{"text":"dose"},"valueDecimal":1.10}],"note":[{"text":"kept"}]}'
    )
    headers = {"content-type": "application/fhir+json"}
    posted = await here.http.post("/fhir/Task", content=body % study, headers=headers)
    async with worker(here, model):
        task = await here.settled(posted.json()["id"])
    assert task["note"] == [{"text": "kept"}]
    stored = await here.http.get(f"/fhir/Task/{task['id']}")
    assert '"valueDecimal":1.10' in stored.text


async def test_an_adults_result_carries_its_caution_everywhere(
    here: Site, model: InstalledModel
) -> None:
    patient = await here.patient()
    study = await here.upload(patient, radiograph(PatientAge="051Y"))
    async with worker(here, model):
        task = await here.settled((await here.order(study, patient))["id"])
    report = await here.read(output(task, "DiagnosticReport")[0])
    assert "The patient is an adult" in report["conclusion"]
    observation = await here.read(report["result"][0]["reference"])
    caution = observation["component"][2]["valueCodeableConcept"]
    assert caution["coding"][0]["code"] == "outside-training-ages-adult"
    assert any("adult" in note["text"] for note in observation["note"])
    html = await here.http.get(f"/fhir/{report['presentedForm'][0]['url']}")
    assert "The patient is an adult" in html.text


async def test_an_adult_by_the_patients_birth_date_is_one_too(
    here: Site, model: InstalledModel
) -> None:
    """The file says no age: the record does."""
    patient = await here.patient(birthDate="1975-04-01")
    study = await here.upload(patient, radiograph(PatientAge=None))
    async with worker(here, model):
        task = await here.settled((await here.order(study, patient))["id"])
    report = await here.read(output(task, "DiagnosticReport")[0])
    assert "The patient is an adult" in report["conclusion"]


async def test_out_of_scope_can_be_set_to_reject(here: Site, model: InstalledModel) -> None:
    patient = await here.patient()
    study = await here.upload(patient, radiograph(PatientAge="051Y"))
    async with worker(here, model, out_of_scope=OutOfScope.REJECT):
        task = await here.settled((await here.order(study, patient))["id"])
    assert (task["status"], reason_of(task)) == ("rejected", "out-of-scope-age")
    assert await no_results(here)


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"ViewPosition": "LL"}, "wrong-view"),
        ({"Modality": "CT"}, "wrong-modality"),
        ({"BodyPartExamined": "KNEE"}, "wrong-body-part"),
        ({"PixelData": bytes(256 * 240)}, "degenerate-pixels"),
    ],
)
async def test_unsuitable_input_is_rejected_with_a_code_and_no_result(
    here: Site, model: InstalledModel, elements: dict[str, Any], code: str
) -> None:
    patient = await here.patient()
    study = await here.upload(patient, radiograph(**elements))
    async with worker(here, model):
        task = await here.settled((await here.order(study, patient))["id"])
    assert (task["status"], reason_of(task)) == ("rejected", code)
    assert "output" not in task
    assert await no_results(here)


async def test_a_picture_unlike_the_training_data_is_rejected(here: Site, tmp_path: Path) -> None:
    far = install_small_model(tmp_path / "far", distance=2.5)
    patient = await here.patient()
    study = await here.upload(patient, radiograph())
    async with worker(here, far):
        task = await here.settled((await here.order(study, patient))["id"])
    assert (task["status"], reason_of(task)) == ("rejected", "out-of-distribution")
    assert await no_results(here)


async def test_of_several_images_the_first_suitable_one_is_read_and_that_is_said(
    here: Site, model: InstalledModel
) -> None:
    study_uid = "1.2.3.4.5"
    lateral = radiograph(StudyInstanceUID=study_uid, ViewPosition="LL", InstanceNumber=1)
    frontal = radiograph(StudyInstanceUID=study_uid, InstanceNumber=2)
    patient = await here.patient()
    study = await here.upload(patient, lateral, frontal)
    async with worker(here, model):
        task = await here.settled((await here.order(study, patient))["id"])
    assert task["status"] == "completed", task
    report = await here.read(output(task, "DiagnosticReport")[0])
    assert "2 images" in report["conclusion"]


async def test_a_picture_in_a_binary_is_read_too(here: Site, model: InstalledModel) -> None:
    patient = await here.patient()
    headers = {"content-type": "image/png"}
    binary = (await here.http.post("/fhir/Binary", content=png(), headers=headers)).headers
    reference = "Binary/" + binary["location"].split("/Binary/")[1].split("/")[0]
    media = {
        "resourceType": "Media",
        "status": "completed",
        "subject": {"reference": patient},
        "content": {"contentType": "image/png", "url": reference},
    }
    posted = await here.create(media)
    async with worker(here, model):
        by_media = await here.order(f"Media/{posted['id']}", patient)
        inputs = [{"type": {"text": "image"}, "valueReference": {"reference": reference}}]
        by_binary = await here.order(None, patient, input=inputs)
        for task in (by_media, by_binary):
            settled = await here.settled(task["id"])
            assert settled["status"] == "completed", settled
            report = await here.read(output(settled, "DiagnosticReport")[0])
            assert "imagingStudy" not in report


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n" + b"rubbish", png()[:2000], b"hello"])
async def test_what_cannot_be_decoded_fails_with_a_code(
    here: Site, model: InstalledModel, data: bytes
) -> None:
    media = {
        "resourceType": "Media",
        "status": "completed",
        "content": {"contentType": "image/png", "data": base64.b64encode(data or b"x").decode()},
    }
    posted = await here.create(media)
    async with worker(here, model):
        task = await here.settled((await here.order(f"Media/{posted['id']}", None))["id"])
    assert (task["status"], reason_of(task)) == ("failed", "pixels-unreadable")
    assert await no_results(here)


@pytest.mark.parametrize("focus", [None, "ImagingStudy/none", "Patient/1"])
async def test_a_task_without_a_study_fails_with_a_code(
    here: Site, model: InstalledModel, focus: str | None
) -> None:
    async with worker(here, model):
        task = await here.settled((await here.order(focus, None))["id"])
    assert (task["status"], reason_of(task)) == ("failed", "study-missing")


async def test_a_task_for_another_patient_than_its_study_fails(
    here: Site, model: InstalledModel
) -> None:
    patient, other = await here.patient(), await here.patient()
    study = await here.upload(patient, radiograph())
    async with worker(here, model):
        task = await here.settled((await here.order(study, other))["id"])
    assert (task["status"], reason_of(task)) == ("failed", "patient-mismatch")
    assert await no_results(here)


async def test_an_incomplete_study_waits_with_a_reason_until_the_rest_is_there(
    here: Site, model: InstalledModel
) -> None:
    patient = await here.patient()
    uid = "1.2.3.4.5.6"
    study = await here.upload(patient, radiograph(StudyInstanceUID=uid))
    announced = await here.read(study)
    assert (await here.put(announced | {"numberOfInstances": 2})).status_code == 200
    async with worker(here, model):
        id = (await here.order(study, patient))["id"]
        waiting = await here.until(id, lambda task: "statusReason" in task)
        assert (waiting["status"], reason_of(waiting)) == ("requested", "waiting-for-instances")
        assert "1 of 2" in waiting["statusReason"]["text"]
        await here.upload(patient, radiograph(StudyInstanceUID=uid))
        assert (await here.settled(id))["status"] == "completed"


async def test_an_endpoint_that_nobody_listed_is_never_contacted(
    here: Site, model: InstalledModel
) -> None:
    """A resource may not send the worker, or its credential, anywhere."""
    patient = await here.patient()
    study = await here.upload(patient, radiograph())
    endpoint = await here.create(
        {
            "resourceType": "Endpoint",
            "status": "active",
            "connectionType": {
                "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
                "code": "dicom-wado-rs",
            },
            "payloadType": [{"text": "any"}],
            "address": "http://192.0.2.1/dicom-web",
        }
    )
    resource = await here.read(study)
    resource["endpoint"] = [{"reference": f"Endpoint/{endpoint['id']}"}]
    assert (await here.put(resource)).status_code == 200
    async with worker(here, model):
        task = await here.settled((await here.order(study, patient))["id"])
    assert (task["status"], reason_of(task)) == ("failed", "endpoint-not-trusted")
