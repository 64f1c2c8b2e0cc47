"""Leases that run out: the Task goes back, or ends ``failed`` when it was tried enough."""

from __future__ import annotations

import asyncio

from fhir_api.api import Api
from fhir_api.tasks.sweeper import keep_sweeping, sweep
from tests.fhir_api.client import Client
from tests.fhir_api.tasks.queueing import DEVICE, Clock, claimed, order, reason_of, say, stage


async def test_a_silent_workers_task_goes_back_and_is_claimed_again(
    api: Api, client: Client, clock: Clock
) -> None:
    id = (await client.post("Task", order())).id
    await claimed(client, lease=30)
    clock.forward(29)
    assert await sweep(api) == 0
    clock.forward(2)
    assert await sweep(api) == 1
    task = (await client.get(f"Task/{id}")).json
    assert (task["status"], reason_of(task)) == ("requested", "lease-expired")
    assert "owner" not in task
    clock.forward(60)
    assert await claimed(client, "other") == [id]


async def test_a_heartbeat_keeps_the_task(api: Api, client: Client, clock: Clock) -> None:
    id = (await client.post("Task", order())).id
    await claimed(client, lease=30)
    for _ in range(5):
        clock.forward(20)
        assert (await say(client, id, "heartbeat", {"name": "lease", "valueInteger": 30}))["held"]
        assert await sweep(api) == 0


async def test_a_task_that_takes_its_worker_down_each_time_fails_with_a_code(
    api: Api, client: Client, clock: Clock
) -> None:
    """A poison Task: begun, and never heard of again; three attempts are the limit here."""
    id = (await client.post("Task", order())).id
    for attempt in range(3):
        assert await claimed(client, f"w{attempt}") == [id]
        await say(client, id, "progress", *stage("predict", 50), worker=f"w{attempt}")
        clock.forward(600)
        assert await sweep(api) == 1
        clock.forward(600)
    task = (await client.get(f"Task/{id}")).json
    assert (task["status"], reason_of(task)) == ("failed", "attempts-exhausted")
    assert await claimed(client) == []


async def test_a_task_that_was_only_claimed_is_no_attempt(
    api: Api, client: Client, clock: Clock
) -> None:
    """A worker that dies takes Tasks along that it had not begun; they must not fail for that."""
    id = (await client.post("Task", order())).id
    for attempt in range(10):
        assert await claimed(client, f"w{attempt}") == [id]
        clock.forward(600)
        assert await sweep(api) == 1
        clock.forward(600)


async def test_the_owner_that_the_requester_named_stays(
    api: Api, client: Client, clock: Clock
) -> None:
    owner = {"reference": f"Device/{DEVICE}"}
    id = (await client.post("Task", order(owner=owner))).id
    await claimed(client)
    clock.forward(600)
    await sweep(api)
    assert (await client.get(f"Task/{id}")).json["owner"] == owner


async def test_several_sweepers_return_each_task_once(
    api: Api, client: Client, clock: Clock
) -> None:
    ids = [(await client.post("Task", order())).id for _ in range(20)]
    assert len(await claimed(client, count=20)) == 20
    clock.forward(600)
    assert sum(await asyncio.gather(*(sweep(api) for _ in range(4)))) == 20
    for id in ids:
        history = (await client.get(f"Task/{id}/_history")).json
        assert history["total"] == 3


async def test_a_task_cancelled_while_its_worker_was_silent_stays_cancelled(
    api: Api, client: Client, clock: Clock
) -> None:
    id = (await client.post("Task", order())).id
    await claimed(client)
    task = (await client.get(f"Task/{id}")).json
    await client.put(f"Task/{id}", task | {"status": "cancelled"})
    clock.forward(600)
    assert await sweep(api) == 0
    assert (await client.get(f"Task/{id}")).json["status"] == "cancelled"


async def test_a_task_accepted_by_a_plain_update_goes_back_after_its_long_lease(
    api: Api, client: Client, clock: Clock
) -> None:
    """A worker without ``$claim`` that dies loses nothing either."""
    task = (await client.post("Task", order())).json
    await client.put(f"Task/{task['id']}", task | {"status": "accepted"}, if_match='W/"1"')
    assert await claimed(client) == []
    clock.forward(1700)
    assert await sweep(api) == 0
    clock.forward(200)
    assert await sweep(api) == 1


async def test_the_sweeper_runs_until_it_is_cancelled(
    api: Api, client: Client, clock: Clock
) -> None:
    id = (await client.post("Task", order())).id
    await claimed(client)
    clock.forward(600)
    sweeping = asyncio.create_task(keep_sweeping(api))
    while (await client.get(f"Task/{id}")).json["status"] != "requested":
        await api.store.wait_for_change("Task", 5)
    sweeping.cancel()
