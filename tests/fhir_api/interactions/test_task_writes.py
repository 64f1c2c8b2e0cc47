"""Every write of a Task keeps the queue in step with it (https://hl7.org/fhir/R4/task.html#statemachine)."""

from __future__ import annotations

from typing import Any

from fhir_api.tasks.progress import business_status
from store.sqlite import SqliteStore
from terminology.analyses import ANALYSES, ANALYSIS_SYSTEM
from tests.fhir_api.client import WORKER, Client, entry

CODE, ANALYSIS = next(iter(ANALYSES.items()))
FAR_US = 2**60


def task(status: str = "requested", **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "status": status,
        "intent": "order",
        "code": {"coding": [{"system": ANALYSIS_SYSTEM, "code": CODE}]},
        **members,
    }


async def waiting(store: SqliteStore) -> list[str]:
    return [e.id for e in await store.next_ready("Task", [ANALYSIS.topic], FAR_US, limit=10)]


async def test_a_task_of_ours_waits_in_the_queue_until_it_is_over(
    client: Client, store: SqliteStore
) -> None:
    id = (await client.post("Task", task(priority="stat"))).id
    assert await waiting(store) == [id]
    assert (await client.put(f"Task/{id}", task("cancelled", id=id))).status == 200
    assert await waiting(store) == []


async def test_a_deleted_task_leaves_the_queue(client: Client, store: SqliteStore) -> None:
    id = (await client.post("Task", task())).id
    await client.delete(f"Task/{id}")
    assert await waiting(store) == []
    assert await store.queue_entry("Task", id) is None


async def test_a_task_with_somebody_elses_code_is_left_alone(
    client: Client, store: SqliteStore
) -> None:
    foreign = task(code={"coding": [{"system": "urn:other", "code": "x"}]})
    id = (await client.post("Task", foreign)).id
    assert await store.queue_entry("Task", id) is None


async def test_a_task_cannot_leave_a_final_state(client: Client) -> None:
    id = (await client.post("Task", task())).id
    ended = await client.calling_as(WORKER).put(f"Task/{id}", task("failed", id=id))
    assert ended.status == 200
    reply = await client.put(f"Task/{id}", task("in-progress", id=id))
    assert (reply.status, reply.code) == (422, "business-rule")
    assert reply.issue["expression"] == ["Task.status"]
    reply = await client.transaction(entry("PUT", f"Task/{id}", task("requested", id=id)))
    assert reply.issue["expression"] == ["Bundle.entry[0].resource.status"]
    assert (await client.get(f"Task/{id}")).etag == 'W/"2"'


async def test_a_task_without_code_waits_for_the_analysis_of_a_study_in_the_same_transaction(
    client: Client, store: SqliteStore
) -> None:
    urn = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    study = {
        "resourceType": "ImagingStudy",
        "status": "available",
        "subject": {"reference": "Patient/a"},
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CR"}],
        "series": [
            {
                "uid": "1.2.3",
                "modality": {
                    "system": "http://dicom.nema.org/resources/ontology/DCM",
                    "code": "CR",
                },
                "bodySite": {"system": "http://snomed.info/sct", "code": "51185008"},
            }
        ],
    }
    order = task(focus={"reference": urn})
    del order["code"]
    reply = await client.transaction(
        entry("POST", "Task", order), entry("POST", "ImagingStudy", study, urn)
    )
    assert reply.status == 200
    id = reply.json["entry"][0]["response"]["location"].split("/")[1]
    assert await waiting(store) == [id]


async def test_progress_is_read_without_a_version(client: Client, store: SqliteStore) -> None:
    id = (await client.post("Task", task())).id
    await client.put(f"Task/{id}", task("in-progress", id=id))
    queued = await store.queue_entry("Task", id)
    assert queued is not None
    assert queued.owner is not None
    concept = business_status("predict", 40, None)
    assert await store.renew_lease("Task", id, queued.owner, FAR_US, concept)
    reply = await client.get(f"Task/{id}")
    assert reply.json["businessStatus"]["coding"][0]["code"] == "predict"
    assert reply.etag == 'W/"2"'
    known = await client.get(f"Task/{id}", if_none_match='W/"2"')
    assert known.status == 200
    cut = await client.get(f"Task/{id}?_elements=businessStatus")
    assert cut.json["businessStatus"]["coding"][0]["code"] == "predict"
    assert "businessStatus" not in (await client.get(f"Task/{id}/_history/2")).json
