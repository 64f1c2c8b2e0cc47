"""Analyses, batches and models over ``/api/v1``: the same Tasks and Devices as on ``/fhir``."""

from __future__ import annotations

import httpx
import pytest

CODE = "chest-xray-pneumonia"


async def test_an_analysis_is_a_task_of_the_studys_patient(
    http: httpx.AsyncClient, study: str
) -> None:
    answer = await http.post("/api/v1/analyses", json={"study": study, "priority": "stat"})
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(f"/api/v1/analyses/{answer.json()['id']}")
    task = (await http.get(f"/fhir/Task/{answer.json()['id']}")).json()
    assert task["for"] == {"reference": "Patient/p"}
    assert task["focus"] == {"reference": study}
    assert (task["priority"], task["status"]) == ("stat", "requested")
    assert task["code"]["coding"][0]["code"] == CODE


async def test_a_repeated_order_with_one_key_makes_one_task(
    http: httpx.AsyncClient, study: str
) -> None:
    headers = {"Idempotency-Key": "order 17"}
    first = await http.post("/api/v1/analyses", json={"study": study}, headers=headers)
    second = await http.post("/api/v1/analyses", json={"study": study}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


async def test_an_analysis_tells_its_status(http: httpx.AsyncClient, study: str) -> None:
    id = (await http.post("/api/v1/analyses", json={"study": study})).json()["id"]
    answer = (await http.get(f"/api/v1/analyses/{id}")).json()
    assert (answer["id"], answer["status"], answer["report"]) == (id, "requested", None)


@pytest.mark.parametrize(
    "order",
    [
        pytest.param({"study": "ImagingStudy/none"}, id="unknown study"),
        pytest.param({"study": "Patient/p"}, id="no study"),
        pytest.param({"study": "ImagingStudy/none", "priority": "now"}, id="unknown priority"),
        pytest.param({}, id="nothing"),
        pytest.param({"study": "ImagingStudy/none", "colour": 1}, id="unknown member"),
    ],
)
async def test_a_wrong_order_is_422_with_where(
    http: httpx.AsyncClient, order: dict[str, str]
) -> None:
    answer = await http.post("/api/v1/analyses", json=order)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"]
    assert (await http.get("/fhir/Task?_summary=count")).json()["total"] == 0


async def test_an_analysis_that_we_do_not_offer_is_422(http: httpx.AsyncClient, study: str) -> None:
    answer = await http.post("/api/v1/analyses", json={"study": study, "analysis": "palm-reading"})
    assert answer.status_code == 422


async def test_anybody_elses_task_is_no_analysis(http: httpx.AsyncClient, study: str) -> None:
    foreign = {
        "resourceType": "Task",
        "id": "foreign",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "urn:elsewhere", "code": "x"}]},
        "focus": {"reference": study},
    }
    assert (await http.put("/fhir/Task/foreign", json=foreign)).status_code == 201
    assert (await http.get("/api/v1/analyses/foreign")).status_code == 404


async def test_a_batch_has_one_progress(http: httpx.AsyncClient, study: str) -> None:
    order = {"analyses": [{"study": study}, {"study": study, "priority": "urgent"}]}
    batch = (await http.post("/api/v1/batches", json=order)).json()
    assert (batch["total"], batch["finished"], batch["by_status"]) == (2, 0, {"requested": 2})
    task = (await http.get(f"/fhir/Task/{batch['analyses'][0]}")).json()
    version = task["meta"]["versionId"]
    cancelled = await http.put(
        f"/fhir/Task/{task['id']}",
        json={**task, "status": "cancelled"},
        headers={"If-Match": f'W/"{version}"'},
    )
    assert cancelled.status_code == 200
    batch = (await http.get(f"/api/v1/batches/{batch['id']}")).json()
    assert (batch["finished"], batch["percent"]) == (1, 50.0)


async def test_a_batch_with_one_wrong_order_orders_nothing(
    http: httpx.AsyncClient, study: str
) -> None:
    order = {"analyses": [{"study": study}, {"study": "ImagingStudy/none"}]}
    answer = await http.post("/api/v1/batches", json=order)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "analyses.1.study"
    assert (await http.get("/fhir/Task?_summary=count")).json()["total"] == 0


async def test_the_models_are_the_ai_devices(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/v1/models")).json() == {"models": []}
    system = "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS"
    device = {
        "resourceType": "Device",
        "id": "ai-x-1.0.0",
        "type": {"coding": [{"system": system, "code": "Artificial-Intelligence"}]},
        "deviceName": [{"name": "X", "type": "model-name"}],
        "version": [{"value": "1.0.0"}],
    }
    assert (await http.put("/fhir/Device/ai-x-1.0.0", json=device)).status_code == 201
    (model,) = (await http.get("/api/v1/models")).json()["models"]
    assert (model["id"], model["name"], model["version"]) == ("ai-x-1.0.0", "X", "1.0.0")


async def test_the_documentation_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert "http://" not in page.replace("http://rest.test", "")
    assert "https://" not in page
    assert (await http.get("/static-offline-docs/swagger-ui-bundle.js")).status_code == 200
