"""Who says what came of an analysis: workers, and nobody after a person has signed.

https://terminology.hl7.org/CodeSystem-v3-ObservationValue.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_api.access import Caller
from tests.fhir_api.client import OPERATOR, WORKER, Client, entry, observation
from tests.fhir_api.visibility.callers import app, service

AIAST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}
ANALYSIS = {"coding": [{"system": "urn:healthvision:analysis", "code": "chest-xray-pneumonia"}]}
OTHERS = [
    OPERATOR,
    app("user/*.cruds", roles="clinician radiologist operator"),
    app("patient/*.cruds"),
    service("system/*.cruds"),
]
NAMES = ["operator", "clinician", "patient's app", "service"]


def made_by_ai(**members: Any) -> dict[str, Any]:
    return observation("Patient/a", status="preliminary", meta={"security": [AIAST]}, **members)


def task(status: str, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "status": status,
        "intent": "order",
        "code": ANALYSIS,
        "for": {"reference": "Patient/a"},
        **members,
    }


@pytest.fixture
async def ward(client: Client) -> Client:
    await client.put("Patient/a", {"resourceType": "Patient", "id": "a"})
    return client


@pytest.mark.parametrize("caller", OTHERS, ids=NAMES)
async def test_nobody_but_a_worker_says_that_ai_made_something(
    ward: Client, caller: Caller
) -> None:
    other, worker = ward.calling_as(caller), ward.calling_as(WORKER)
    escaped = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"},"meta":{"security":[{"code":"\\u0041IAST"}]}}'
    for sent in (made_by_ai(), escaped):
        assert (await other.post("Observation", sent)).status == 403
    assert (await other.transaction(entry("POST", "Observation", made_by_ai()))).status == 403
    own = (await other.post("Observation", observation("Patient/a"))).id
    assert (await other.put(f"Observation/{own}", made_by_ai(id=own))).status == 403
    label = {
        "resourceType": "Parameters",
        "parameter": [{"name": "meta", "valueMeta": {"security": [AIAST]}}],
    }
    assert (await other.post(f"Observation/{own}/$meta-add", label)).status == 403
    result = (await worker.post("Observation", made_by_ai())).id
    assert (await other.post(f"Observation/{result}/$meta-delete", label)).status == 403
    assert (
        await other.put(f"Observation/{result}", observation("Patient/a", id=result))
    ).status == 403
    signed = made_by_ai(id=result) | {"status": "final"}
    assert (await other.put(f"Observation/{result}", signed)).status == 200


@pytest.mark.parametrize("caller", OTHERS, ids=NAMES)
@pytest.mark.parametrize("status", ["completed", "failed", "rejected"])
async def test_nobody_but_a_worker_ends_an_analysis(
    ward: Client, caller: Caller, status: str
) -> None:
    other = ward.calling_as(caller)
    id = (await other.post("Task", task("requested"))).id
    replies = [
        await other.put(f"Task/{id}", task(status, id=id)),
        await other.ask(
            "PATCH",
            f"Task/{id}",
            b'[{"op":"replace","path":"/status","value":"%s"}]' % status.encode(),
            content_type="application/json-patch+json",
        ),
        await other.transaction(entry("PUT", f"Task/{id}", task(status, id=id))),
        await other.post("Task", task(status)),
        await other.put(
            f"Task/{id}",
            task("requested", id=id, output=[{"type": {"text": "x"}, "valueString": "y"}]),
        ),
        # Another code does not make it another Task.
        await other.put(f"Task/{id}", task(status, id=id, code={"text": "other"})),
    ]
    assert [reply.status for reply in replies] == [403] * len(replies)
    assert (await other.put(f"Task/{id}", task("cancelled", id=id))).status == 200


async def test_whoever_works_on_other_tasks_ends_them(ward: Client) -> None:
    other = task("requested", code={"text": "Call the patient"})
    id = (await ward.post("Task", other)).id
    ended = other | {
        "id": id,
        "status": "completed",
        "output": [{"type": {"text": "x"}, "valueString": "y"}],
    }
    assert (await ward.put(f"Task/{id}", ended)).status == 200


@pytest.mark.parametrize(
    ("type", "signed"),
    [
        ("Observation", {"status": "final"}),
        ("Observation", {"status": "amended"}),
        ("DiagnosticReport", {"status": "final"}),
        (
            "DiagnosticReport",
            {"status": "preliminary", "resultsInterpreter": [{"display": "Dr. R"}]},
        ),
    ],
)
async def test_a_worker_does_not_change_what_a_person_has_signed(
    ward: Client, type: str, signed: dict[str, Any]
) -> None:
    worker = ward.calling_as(WORKER)
    result = made_by_ai() | {"resourceType": type}
    id = (await worker.post(type, result)).id
    assert (await worker.put(f"{type}/{id}", result | {"id": id, "language": "en"})).status == 200
    radiologist = ward.calling_as(app("user/*.cruds", roles="radiologist"))
    assert (await radiologist.put(f"{type}/{id}", result | {"id": id} | signed)).status == 200
    again = result | {"id": id}
    assert (await worker.put(f"{type}/{id}", again)).status == 403
    assert (await worker.transaction(entry("PUT", f"{type}/{id}", again))).status == 403
    assert (await worker.delete(f"{type}/{id}")).status == 403
    assert (await ward.get(f"{type}/{id}")).json["status"] == signed["status"]


@pytest.mark.parametrize("caller", [OPERATOR, WORKER, *OTHERS[1:]])
async def test_audit_events_are_the_servers(ward: Client, caller: Caller) -> None:
    event = {"resourceType": "AuditEvent", "id": "x"}
    other = ward.calling_as(caller)
    assert (await other.post("AuditEvent", event)).status == 403
    assert (await other.put("AuditEvent/x", event)).status == 403
    assert (await other.delete("AuditEvent/x")).status == 403
    assert (await other.get("AuditEvent")).status == 403
    assert (await other.get("AuditEvent/x/_history")).status == 403
    auditor = ward.calling_as(Caller("auditor", frozenset({"auditor"})))
    assert (await auditor.get("AuditEvent")).status == 200
    assert (await auditor.delete("AuditEvent/x")).status == 403
    assert (await auditor.get("Patient/a")).status == 403
