"""``Task/$claim``: who gets what, and that nobody gets the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_api.access import Caller
from fhir_api.operations import claim as claiming
from store.interface import QueueEntry
from tests.fhir_api.client import WORKER, Client, bundle, entry
from tests.fhir_api.tasks.queueing import (
    ANALYSIS,
    DEVICE,
    Clock,
    claim,
    claimed,
    order,
    parameters,
    say,
    stage,
    tasks,
)


async def test_a_claimed_task_is_accepted_owned_and_gone_from_the_queue(client: Client) -> None:
    id = (await client.post("Task", order())).id
    [task] = tasks(await claim(client.calling_as(WORKER)))
    assert (task["id"], task["status"]) == (id, "accepted")
    assert task["owner"] == {"reference": f"Device/{DEVICE}"}
    stored = (await client.get(f"Task/{id}")).json
    assert stored == task
    assert await claimed(client, "other") == []


async def test_nothing_to_do_answers_an_empty_claim(client: Client) -> None:
    reply = await claim(client)
    assert tasks(reply) == []
    assert reply.json["parameter"][-1] == {"name": "lease", "valueInteger": 30}


async def test_urgent_before_old_and_old_before_new(client: Client, clock: Clock) -> None:
    ids = {}
    for priority in ("routine", "urgent", "stat", "asap", "routine"):
        clock.forward(1)
        ids.setdefault(priority, []).append(
            (await client.post("Task", order(priority=priority))).id
        )
    expected = [*ids["stat"], *ids["asap"], *ids["urgent"], *ids["routine"]]
    assert await claimed(client, count=10) == expected


async def test_a_claim_may_leave_the_less_urgent_to_others(client: Client) -> None:
    await client.post("Task", order())
    stat = (await client.post("Task", order(priority="stat"))).id
    urgent = {"name": "priority", "valueCode": "stat"}
    base = [{"name": "worker", "valueString": "w"}, {"name": "analysis", "valueCode": ANALYSIS}]
    for expected in ([stat], []):
        reply = await client.calling_as(WORKER).post("Task/$claim", parameters(*base, urgent))
        assert [task["id"] for task in tasks(reply)] == expected


async def test_of_many_workers_at_once_each_task_goes_to_one(client: Client) -> None:
    """Several claims race for the same Tasks; a claim is one commit, so one of them wins each."""
    orders = [entry("POST", "Task", order()) for _ in range(40)]
    created = await client.post("", bundle("transaction", *orders))
    assert created.status == 200
    got: list[str] = []
    while True:
        answers = await asyncio.gather(*(claimed(client, f"w{n}", count=3) for n in range(6)))
        if not any(answers):
            break
        got += [id for answer in answers for id in answer]
    assert len(got) == len(set(got)) == 40


async def test_another_codes_task_is_never_handed_out(client: Client) -> None:
    foreign = {"coding": [{"system": "urn:fhirload:code", "code": "nodule-detection"}]}
    await client.post("Task", order(code=foreign, owner={"display": "Inference worker"}))
    assert await claimed(client) == []


async def test_a_task_for_one_device_goes_to_no_other_version(client: Client) -> None:
    wanted = {"reference": "Device/ai-chest-xray-pneumonia-9.9.9"}
    await client.post("Task", order(owner=wanted))
    assert await claimed(client) == []


async def test_a_waiting_claim_is_woken_by_a_new_task(client: Client) -> None:
    waiting = asyncio.create_task(claimed(client, wait=30))
    await asyncio.sleep(0)
    id = (await client.post("Task", order())).id
    assert await asyncio.wait_for(waiting, 20) == [id]


async def test_a_task_that_comes_while_a_claim_looks_is_not_slept_over(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the queue and the wait for changes, and with nothing else to wake the claim."""
    monkeypatch.setattr(claiming, "RECHECK_S", 60.0)
    store = client.api.store
    looked = store.next_ready
    came: list[str] = []

    async def looking(*arguments: Any) -> list[QueueEntry]:
        found = await looked(*arguments)
        if not came:
            came.append((await client.post("Task", order())).id)
        return found

    monkeypatch.setattr(store, "next_ready", looking)
    assert await asyncio.wait_for(claimed(client, wait=60), 20) == came


async def test_a_task_begun_twice_without_an_end_is_handed_out_alone(
    client: Client, clock: Clock
) -> None:
    """What may be what takes its worker down takes no other Task with it."""
    first = (await client.post("Task", order(priority="stat"))).id
    for _ in range(2):
        assert await claimed(client) == [first]
        await say(client, first, "progress", *stage("predict", 50))
        await say(client, first, "release", {"name": "reason", "valueCode": "waiting-to-retry"})
        clock.forward(300)
    others = [(await client.post("Task", order())).id for _ in range(3)]
    assert await claimed(client, count=4) == [first]
    assert await claimed(client, count=4) == others


async def test_a_claim_without_a_capability_is_400(client: Client) -> None:
    reply = await client.calling_as(WORKER).post(
        "Task/$claim", parameters({"name": "worker", "valueString": "w"})
    )
    assert (reply.status, reply.code) == (400, "invalid")


async def test_wrong_parameters_are_400_with_their_place(client: Client) -> None:
    for item in (
        {"name": "count", "valueInteger": 0},
        {"name": "count", "valueInteger": 65},
        {"name": "wait", "valueInteger": 61},
        {"name": "lease", "valueInteger": 1},
        {"name": "priority", "valueCode": "soon"},
        {"name": "colour", "valueString": "red"},
        {"name": "worker", "valueString": "again"},
        {"name": "device", "valueReference": {"reference": "Patient/1"}},
        {"name": "analysis", "valueString": "chest"},
    ):
        items = [{"name": "worker", "valueString": "w"}, {"name": "analysis", "valueCode": "x"}]
        reply = await client.calling_as(WORKER).post("Task/$claim", parameters(*items, item))
        assert reply.status == 400, item
        assert reply.issue["expression"][0].startswith("Parameters.parameter[2]"), item


async def test_nobody_but_a_worker_or_operator_may_claim(client: Client) -> None:
    reply = await claim(client.calling_as(Caller("reader", frozenset({"reader"}))))
    assert (reply.status, reply.code) == (403, "forbidden")


async def test_get_is_405(client: Client) -> None:
    assert (await client.get("Task/$claim")).status == 405


async def test_metadata_lists_the_operations(client: Client) -> None:
    statement = (await client.get("metadata")).json
    task = next(r for r in statement["rest"][0]["resource"] if r["type"] == "Task")
    names = {operation["name"] for operation in task["operation"]}
    assert names >= {"claim", "heartbeat", "progress", "release"}
