"""``$heartbeat``, ``$progress`` and ``$release``: what a worker says while it holds a Task."""

from __future__ import annotations

import pytest

from fhir_api.access import Caller
from tests.fhir_api.client import WORKER, Client
from tests.fhir_api.tasks.queueing import Clock, claimed, order, parameters, reason_of, say, stage


@pytest.fixture
async def held(client: Client) -> str:
    """A Task that worker ``w`` holds."""
    id = (await client.post("Task", order(businessStatus={"text": "queued"}))).id
    assert await claimed(client) == [id]
    return id


async def test_the_first_progress_makes_the_task_in_progress(client: Client, held: str) -> None:
    said = await say(client, held, "progress", *stage("fetch", 10))
    assert (said["status"], said["held"], said["cancelled"]) == ("in-progress", True, False)
    assert said["task"]["meta"]["versionId"] == said["version"] == "3"
    assert "start" in said["task"]["executionPeriod"]


async def test_progress_shows_in_reads_and_searches_without_a_version(
    client: Client, held: str
) -> None:
    await say(client, held, "progress", *stage("fetch", 10))
    said = await say(client, held, "progress", *stage("predict", 60))
    assert said["version"] == "3"
    assert "task" not in said
    task = (await client.get(f"Task/{held}")).json
    assert task["businessStatus"]["coding"][0]["code"] == "predict"
    assert task["businessStatus"]["extension"][0]["valueInteger"] == 60
    found = (await client.get("Task?status=in-progress")).json["entry"][0]["resource"]
    assert found["businessStatus"] == task["businessStatus"]
    history = (await client.get(f"Task/{held}/_history")).json
    assert history["total"] == 3
    assert history["entry"][0]["resource"]["businessStatus"] == {"text": "queued"}


async def test_a_cancelled_task_says_so_to_its_worker(client: Client, held: str) -> None:
    task = (await client.get(f"Task/{held}")).json
    assert (await client.put(f"Task/{held}", task | {"status": "cancelled"})).status == 200
    for operation, items in (("heartbeat", ()), ("progress", stage("predict", 60))):
        said = await say(client, held, operation, *items)
        assert (said["cancelled"], said["held"], said["status"]) == (True, False, "cancelled")


async def test_another_worker_or_credential_cannot_speak_for_the_holder(
    client: Client, held: str
) -> None:
    assert not (await say(client, held, "heartbeat", worker="other"))["held"]
    another = Caller("another", frozenset({"worker"}))
    assert not (await say(client.calling_as(another), held, "heartbeat"))["held"]
    said = await say(client, held, "progress", *stage("fetch", 1), worker="other")
    assert (said["held"], said["status"]) == (False, "accepted")
    release = {"name": "reason", "valueCode": "handed-back"}
    assert not (await say(client, held, "release", release, worker="other"))["held"]
    assert (await say(client, held, "heartbeat"))["held"]


async def test_release_offers_the_task_again_after_its_delay(
    client: Client, held: str, clock: Clock
) -> None:
    said = await say(
        client,
        held,
        "release",
        {"name": "reason", "valueCode": "waiting-for-instances"},
        {"name": "message", "valueString": "1 of 2 instances have arrived"},
        {"name": "delay", "valueUnsignedInt": 60},
    )
    assert said["status"] == "requested"
    task = (await client.get(f"Task/{held}")).json
    assert reason_of(task) == "waiting-for-instances"
    assert task["statusReason"]["text"] == "1 of 2 instances have arrived"
    assert "owner" not in task
    assert "businessStatus" not in task
    assert await claimed(client) == []
    clock.forward(61)
    assert await claimed(client, "other") == [held]


async def test_a_task_that_is_handed_back_is_no_attempt(client: Client, held: str) -> None:
    release = {"name": "reason", "valueCode": "handed-back"}
    for _ in range(8):
        await say(client, held, "release", release, {"name": "count", "valueBoolean": False})
        assert await claimed(client) == [held]


async def test_an_incomplete_study_fails_in_the_end_with_a_code(
    client: Client, held: str, clock: Clock
) -> None:
    for _ in range(20):
        said = await say(
            client, held, "release", {"name": "reason", "valueCode": "waiting-for-instances"}
        )
        if said["status"] != "requested":
            break
        clock.forward(1000)
        assert await claimed(client) == [held]
    task = (await client.get(f"Task/{held}")).json
    assert (task["status"], reason_of(task)) == ("failed", "study-incomplete")


async def test_an_unknown_reason_is_400(client: Client, held: str) -> None:
    body = parameters(
        {"name": "worker", "valueString": "w"}, {"name": "reason", "valueCode": "tired"}
    )
    assert (await client.calling_as(WORKER).post(f"Task/{held}/$release", body)).status == 400


async def test_an_unknown_task_is_404_and_a_deleted_one_410(client: Client, held: str) -> None:
    body = parameters({"name": "worker", "valueString": "w"})
    assert (await client.calling_as(WORKER).post("Task/none/$heartbeat", body)).status == 404
    await client.delete(f"Task/{held}")
    assert (await client.calling_as(WORKER).post(f"Task/{held}/$heartbeat", body)).status == 410


async def test_completion_over_a_cancelled_task_is_412_and_changes_nothing(
    client: Client, held: str
) -> None:
    """The requester's cancel wins: the worker named the version before it."""
    task = (await client.get(f"Task/{held}")).json
    await client.put(f"Task/{held}", task | {"status": "cancelled"})
    late = await client.put(f"Task/{held}", task | {"status": "completed"}, if_match='W/"2"')
    assert late.status == 412
    assert (await client.get(f"Task/{held}")).json["status"] == "cancelled"


async def test_a_final_task_refuses_another_state_with_a_path(client: Client, held: str) -> None:
    task = (await client.get(f"Task/{held}")).json
    await client.put(f"Task/{held}", task | {"status": "cancelled"})
    reply = await client.put(f"Task/{held}", task | {"status": "requested"})
    assert (reply.status, reply.code) == (422, "business-rule")
    assert reply.issue["expression"] == ["Task.status"]
    assert await claimed(client) == []


async def test_a_caller_without_the_role_is_refused(client: Client, held: str) -> None:
    stranger = client.calling_as(Caller("s", frozenset()))
    body = parameters({"name": "worker", "valueString": "w"})
    assert (await stranger.post(f"Task/{held}/$heartbeat", body)).status == 403
