"""``Prefer: respond-async``: https://hl7.org/fhir/R4/async.html"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from fhir_api.access import Caller
from fhir_api.api import Api, ApiOptions
from fhir_api.http import Request
from fhir_api.jobs.accept import MOST_OPEN
from fhir_api.jobs.record import TOPIC
from fhir_api.jobs.runner import JobRunner
from fhir_api.jobs.running import JOB_TYPE
from fhir_api.routes import handle
from store.sqlite import SqliteStore
from tests.fhir_api.client import BASE, Client, Reply, entry
from tests.fhir_api.conftest import VALIDATOR
from tests.fhir_api.jobs import counting
from tests.fhir_api.tasks.queueing import Clock, parameters

LEASE_S = 30.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Api:
    counting.install(monkeypatch)
    options = ApiOptions(cursor_key=b"k" * 64, attempt_limit=3, lease_s=LEASE_S)
    return Api(store, VALIDATOR, options, clock)


def wish(**values: Any) -> dict[str, Any]:
    return parameters(
        *(
            {"name": name, f"value{'String' if isinstance(value, str) else 'Integer'}": value}
            for name, value in values.items()
        )
    )


async def start(client: Client, **values: Any) -> str:
    """The job's URL below the base."""
    reply = await client.post("$count", wish(**values), prefer="respond-async")
    assert reply.status == 202, reply.body
    location = reply.header("content-location")
    assert location is not None
    assert location.startswith(f"{BASE}/")
    return location.removeprefix(f"{BASE}/")


async def run(api: Api) -> None:
    runner = JobRunner(api)
    await runner.sweep()
    await runner.take()
    await runner.idle()


async def shows(client: Client, url: str, progress: str) -> None:
    """Waits until the job is that far."""
    while (reply := await client.get(url)).header("x-progress") != progress:
        assert reply.status == 202
        await client.api.store.wait_for_change(JOB_TYPE, 0.01)


def answer(reply: Reply) -> dict[str, int]:
    assert reply.status == 200, reply.body
    [row] = reply.json["entry"]
    assert (reply.json["type"], row["response"]["status"]) == ("batch-response", "200 OK")
    return {one["name"]: one["valueInteger"] for one in row["resource"]["parameter"]}


async def test_without_the_preference_the_answer_comes_at_once(client: Client) -> None:
    reply = await client.post("$count", wish(to=2))
    assert (reply.status, reply.json["resourceType"]) == (200, "Parameters")


async def test_a_job_tells_how_far_it_is_and_then_its_answer(api: Api, client: Client) -> None:
    url = await start(client, to=5, stop=2)
    waiting = await client.get(url)
    assert (waiting.status, waiting.header("x-progress"), waiting.body) == (202, "waiting", b"")
    assert int(waiting.header("retry-after") or 0) >= 1
    running = asyncio.create_task(JobRunner(api).keep_running())
    await shows(client, url, "2 of 5")
    running.cancel()
    await asyncio.wait([running])


async def test_the_answer_is_a_batch_response_that_can_be_fetched_again(
    api: Api, client: Client
) -> None:
    url = await start(client, to=4)
    await run(api)
    for _ in range(2):
        reply = await client.get(url)
        assert answer(reply) == {"begun": 0, "to": 4}
        assert reply.header("expires")
    issues = client.api.validator.validate(reply.json, "Bundle")
    assert not [issue for issue in issues if issue.is_error]


async def test_a_refusal_is_the_answer_of_the_job(api: Api, client: Client) -> None:
    url = await start(client, mood="refuse")
    await run(api)
    [row] = (await client.get(url)).json["entry"]
    assert row["response"]["status"] == "422 Unprocessable Entity"
    assert row["response"]["outcome"]["issue"][0]["code"] == "business-rule"


async def test_an_unexpected_error_ends_the_job_and_tells_nothing(api: Api, client: Client) -> None:
    url = await start(client, mood="break")
    await run(api)
    reply = await client.get(url)
    assert reply.json["entry"][0]["response"]["status"].startswith("500")
    assert b"Anna" not in reply.body


async def test_a_store_that_cannot_for_now_is_no_answer(
    api: Api, client: Client, clock: Clock
) -> None:
    url = await start(client, mood="stumble")
    for _ in range(3):
        await run(api)
        assert (await client.get(url)).status == 202
        clock.forward(LEASE_S + 1)
    await run(api)
    assert (await lost(client, url)).status == 500


async def test_only_who_started_a_job_sees_it(api: Api, client: Client) -> None:
    url = await start(client)
    await run(api)
    stranger = client.calling_as(Caller("other", frozenset({"operator"})))
    assert (await stranger.get(url)).status == 404
    assert (await stranger.delete(url)).status == 404
    assert (await client.get(url)).status == 200
    assert (await client.get(url + "x")).status == 404


async def test_who_may_not_do_the_operation_cannot_start_it(client: Client) -> None:
    stranger = client.calling_as(Caller("other", frozenset()))
    reply = await stranger.post("$count", wish(), prefer="respond-async")
    assert reply.status == 403


async def test_deleting_a_job_ends_it_and_there_is_nothing_any_more(
    api: Api, client: Client
) -> None:
    waiting, done = await start(client, to=2), await start(client, to=2)
    assert (await client.delete(waiting)).status == 202
    await run(api)
    assert answer(await client.get(done)) == {"begun": 0, "to": 2}
    assert (await client.delete(done)).status == 202
    for url in (waiting, done):
        assert (await client.get(url)).status == 404
        assert (await client.delete(url)).status == 404


async def test_a_running_job_that_is_deleted_stops(api: Api, client: Client) -> None:
    brisk = Api(api.store, VALIDATOR, ApiOptions(lease_s=0.03))
    url = await start(client, to=9, stop=2)
    runner = JobRunner(brisk)
    await runner.take()
    assert (await client.delete(url)).status == 202
    await asyncio.wait_for(runner.idle(), 20)
    assert (await client.get(url)).status == 404


async def test_a_job_whose_process_fell_silent_goes_on_from_its_checkpoint(
    api: Api, client: Client, clock: Clock
) -> None:
    url = await start(client, to=9, stop=4)
    silent = asyncio.create_task(JobRunner(api).keep_running())
    await shows(client, url, "4 of 9")
    silent.cancel()
    await asyncio.wait([silent])
    clock.forward(LEASE_S - 1)
    await run(api)
    assert (await client.get(url)).status == 202
    clock.forward(2)
    await run(api)
    assert answer(await client.get(url)) == {"begun": 4, "to": 9}


async def test_a_job_that_takes_its_process_down_each_time_is_lost(
    api: Api, client: Client, clock: Clock
) -> None:
    url = await start(client, to=9, stop=0)
    for _ in range(3):
        await _claim_and_die(api)
        clock.forward(LEASE_S + 1)
        await JobRunner(api).sweep()
    reply = await lost(client, url)
    assert (reply.status, reply.code) == (500, "exception")
    assert "3 times" in reply.issue["details"]["text"]
    await run(api)
    assert (await lost(client, url)).status == 500


async def lost(client: Client, url: str) -> Reply:
    """As it is: ``Client`` takes a 500 for a fault of the server."""
    path = tuple(url.split("/"))
    return Reply(await handle(client.api, Request("GET", path, "", {}, b"", client.caller, BASE)))


async def _claim_and_die(api: Api) -> None:
    """What a process leaves that is killed before its job could say anything."""
    runner = JobRunner(api)
    [waiting] = await api.store.next_ready(JOB_TYPE, (TOPIC,), api.clock())
    assert await runner._claimed(waiting)


async def test_of_many_processes_one_runs_a_job(api: Api, client: Client) -> None:
    urls = [await start(client, to=1) for _ in range(6)]
    runners = [JobRunner(api) for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(runner.take() for runner in runners))
        await asyncio.gather(*(runner.idle() for runner in runners))
    for url in urls:
        assert answer(await client.get(url)) == {"begun": 0, "to": 1}


async def test_an_answer_expires(api: Api, client: Client, clock: Clock) -> None:
    url = await start(client)
    await run(api)
    assert (await client.get(url)).status == 200
    clock.forward(api.options.job_keep_s + 1)
    await run(api)
    assert (await client.get(url)).status == 404


async def test_one_caller_has_a_limited_number_of_unfinished_jobs(api: Api, client: Client) -> None:
    urls = [await start(client) for _ in range(MOST_OPEN)]
    reply = await client.post("$count", wish(), prefer="respond-async")
    assert (reply.status, reply.code) == (429, "throttled")
    await client.delete(urls[0])
    await start(client)


async def test_an_entry_of_a_batch_is_answered_in_the_batch(client: Client) -> None:
    reply = await client.batch(entry("POST", "$count", wish(to=1)), prefer="respond-async")
    assert reply.json["entry"][0]["response"]["status"] == "200 OK"


async def test_jobs_are_in_no_history(api: Api, client: Client) -> None:
    await start(client)
    assert (await client.get("_history")).json["total"] == 0


async def test_a_killed_process_loses_no_job(tmp_path: Path, client: Client, api: Api) -> None:
    """SIGKILL in the middle; the job goes on in another process from its last checkpoint."""
    url = await start(client, to=9, stop=4)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fhir_api.jobs.counting", str(tmp_path / "data")
    )
    await shows(client, url, "4 of 9")
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    later = Api(api.store, VALIDATOR, ApiOptions(lease_s=LEASE_S))
    while (await client.get(url)).status == 202:
        await run(later)
        await api.store.wait_for_change(JOB_TYPE, 0.05)
    assert answer(await client.get(url)) == {"begun": 4, "to": 9}
