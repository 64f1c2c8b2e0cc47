"""The model of this house on the real radiograph of pydicom-data, the whole way."""

from __future__ import annotations

from pathlib import Path

from pydicom.data import get_testdata_file

from inference.models.registry import installed_model
from tests.inference.workflow.site import Site, png, worker


def demo_radiograph() -> bytes:
    path = get_testdata_file("RG1_J2KI.dcm", download=False)
    assert path is not None, "pydicom-data is a dependency"
    return Path(str(path)).read_bytes()


async def test_the_demo_radiograph_is_answered_with_the_adults_caution(here: Site) -> None:
    model = installed_model("chest-xray-pneumonia")
    patient = await here.patient()
    study = await here.upload(patient, demo_radiograph())
    async with worker(here, model):
        task = await here.settled((await here.order(study, patient, priority="stat"))["id"])
    assert task["status"] == "completed", task.get("statusReason")
    report = await here.read(task["output"][0]["valueReference"]["reference"])
    assert "The patient is an adult" in report["conclusion"]
    observation = await here.read(report["result"][0]["reference"])
    probability = observation["extension"][0]["valueDecimal"]
    certainty, threshold, caution = observation["component"][:3]
    assert 0 < probability < 1
    assert certainty["valueQuantity"]["value"] == round(100 * probability, 1)
    said = observation["valueCodeableConcept"]["coding"][0]["display"]
    above = certainty["valueQuantity"]["value"] >= threshold["valueQuantity"]["value"]
    assert said == ("Detected" if above else "Not detected")
    coding = caution["valueCodeableConcept"]["coding"][0]
    assert coding["code"] == "outside-training-ages-adult"
    device = await here.read(observation["device"]["reference"])
    assert device["identifier"][0]["value"] == model.manifest.weights.sha256


async def test_a_drawing_is_no_radiograph(here: Site) -> None:
    headers = {"content-type": "image/png"}
    binary = (await here.http.post("/fhir/Binary", content=png(), headers=headers)).headers
    id = binary["location"].split("/Binary/")[1].split("/")[0]
    inputs = [{"type": {"text": "image"}, "valueReference": {"reference": f"Binary/{id}"}}]
    async with worker(here, installed_model("chest-xray-pneumonia")):
        task = await here.settled((await here.order(None, None, input=inputs))["id"])
    assert task["status"] == "rejected"
    assert task["statusReason"]["coding"][0]["code"] == "out-of-distribution"
