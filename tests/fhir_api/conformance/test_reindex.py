"""``$reindex``: what was stored before a SearchParameter is found by it afterwards, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhir_api.api import Api
from fhir_api.jobs.runner import JobRunner
from fhir_api.jobs.running import JOB_TYPE
from fhir_api.operations import reindex
from store.query import Query
from store.sqlite import SqliteStore
from tests.contract.writes import commit, made
from tests.fhir_api.client import BASE, WORKER, Client, entry
from tests.fhir_api.conformance.reindexing import watched
from tests.fhir_api.conformance.test_search_parameters import definition, found, patient
from tests.fhir_api.conftest import VALIDATOR

COLOURS = ("blue", "brown", "green")


@pytest.fixture
async def api(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(reindex, "SETTLED_S", 0)
    return await watched(store, VALIDATOR)


@pytest.fixture
async def running(api: Api) -> AsyncIterator[None]:
    """Jobs are run here, as every API process does."""
    task = asyncio.create_task(JobRunner(api).keep_running())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def store_patients(client: Client, count: int) -> None:
    for start in range(0, count, 200):
        entries = [
            entry("PUT", f"Patient/p{n}", patient(f"p{n}", COLOURS[n % 3]))
            for n in range(start, min(count, start + 200))
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert (await client.post("", bundle)).status == 200


async def ended(client: Client, location: str | None) -> dict[str, Any]:
    """The answer of the job at the URL, once it is there."""
    assert location is not None
    url = location.removeprefix(f"{BASE}/")
    while (reply := await client.get(url)).status == 202:
        await client.api.store.wait_for_change(JOB_TYPE, 0.05)
    assert reply.status == 200, reply.body
    (answer,) = reply.json["entry"]
    return answer


async def reindexed(client: Client, url: str = "Patient/$reindex", body: Any = None) -> int:
    reply = await client.post(url, body or {"resourceType": "Parameters"})
    assert reply.status == 202, reply.body
    answer = await ended(client, reply.header("content-location"))
    assert answer["response"]["status"].startswith("200"), answer
    return answer["resource"]["parameter"][0]["valueInteger"]


async def warnings(client: Client, query: str) -> list[str]:
    entries = (await client.get(query)).json.get("entry", [])
    outcomes = [e["resource"] for e in entries if e["search"]["mode"] == "outcome"]
    return [issue["code"] for outcome in outcomes for issue in outcome["issue"]]


async def all_found(client: Client, query: str) -> Sequence[str]:
    return sorted(await found(client, f"{query}&_count=1000"))


@pytest.mark.usefixtures("running")
async def test_what_was_stored_before_is_found_after(client: Client) -> None:
    await store_patients(client, 100)
    versions = [(await client.get(f"Patient/p{n}")).etag for n in (0, 99)]
    await client.post("SearchParameter", definition())
    assert await found(client, "Patient?eyes=blue") == []
    assert await warnings(client, "Patient?eyes=blue") == ["incomplete"]
    assert await reindexed(client) == 100
    assert await all_found(client, "Patient?eyes=blue") == sorted(f"p{n}" for n in range(0, 100, 3))
    assert await warnings(client, "Patient?eyes=blue") == []
    assert [(await client.get(f"Patient/p{n}")).etag for n in (0, 99)] == versions
    assert (await client.get("Patient/p0/_history")).json["total"] == 1
    assert await reindexed(client) == 0


@pytest.mark.usefixtures("running")
async def test_a_search_says_when_it_may_miss_something(client: Client) -> None:
    await store_patients(client, 3)
    await client.post("SearchParameter", definition())
    assert await warnings(client, "Patient?name=x") == []
    assert await warnings(client, "Patient?_sort=eyes") == ["incomplete"]
    assert await warnings(client, "Observation?patient.eyes=blue") == ["incomplete"]
    assert await warnings(client, "Patient?eyes:not=blue&_summary=count") == ["incomplete"]
    strict = await client.get("Patient?eyes=blue", prefer="handling=strict")
    assert (strict.status, strict.code) == (409, "conflict")
    condition = await client.post("Patient", patient("x", "blue"), if_none_exist="eyes=blue")
    assert (condition.status, condition.code) == (409, "conflict")
    await reindexed(client)
    assert (await client.get("Patient?eyes=blue", prefer="handling=strict")).status == 200


@pytest.mark.usefixtures("running")
async def test_a_changed_expression_and_a_parameter_that_went_are_followed(client: Client) -> None:
    await client.put("SearchParameter/eyes", definition(id="eyes"))
    both = [{"url": "http://example.org/hair", "valueCode": "blond"}]
    blue = patient("a", "blue")
    await client.put("Patient/a", {**blue, "extension": [*blue["extension"], *both]})
    hair = definition(id="eyes", expression="Patient.extension('http://example.org/hair').value")
    await client.put("SearchParameter/eyes", hair)
    assert await reindexed(client) == 1
    assert await found(client, "Patient?eyes=blond") == ["a"]
    assert await found(client, "Patient?eyes=blue") == []
    await client.delete("SearchParameter/eyes")
    assert await reindexed(client) == 1
    assert await reindexed(client) == 0


@pytest.mark.usefixtures("running")
async def test_the_system_takes_the_types_that_are_named_or_all(client: Client) -> None:
    everywhere = definition(
        base=["DomainResource"],
        expression="DomainResource.extension('http://example.org/eye-colour').value",
    )
    await store_patients(client, 2)
    basic = {**patient("b", "blue"), "resourceType": "Basic", "code": {"text": "x"}}
    await client.put("Basic/b", basic)
    await client.post("SearchParameter", everywhere)
    one = {"resourceType": "Parameters", "parameter": [{"name": "type", "valueCode": "Basic"}]}
    assert await reindexed(client, "$reindex", one) == 1
    assert await found(client, "Basic?eyes=blue") == ["b"]
    assert await found(client, "Patient?eyes=blue") == []
    assert await reindexed(client, "$reindex") == 3  # the SearchParameter has extensions, too
    assert await found(client, "Patient?eyes=blue") == ["p0"]


@pytest.mark.usefixtures("running")
async def test_what_an_older_version_stored_is_reindexed_at_the_start(client: Client) -> None:
    older = [
        made("Patient", f"p{n}", content=orjson.dumps(patient(f"p{n}", "blue", gender="other")))
        for n in range(3)
    ]
    await client.api.store.commit(commit(*older))
    assert await found(client, "Patient?gender=other") == []
    options = replace(client.api.options, base_url=BASE)
    await reindex.begin_where_outdated(replace(client.api, options=options))
    edition = client.api.search_parameters.active.edition("Patient")
    while await client.api.store.count_outdated("Patient", edition, 10):
        await client.api.store.wait_for_change(JOB_TYPE, 0.05)
    assert await found(client, "Patient?gender=other") == ["p0", "p1", "p2"]


async def test_without_a_base_url_nothing_is_begun_and_with_nothing_to_do_neither(
    client: Client,
) -> None:
    with_url = replace(client.api, options=replace(client.api.options, base_url=BASE))
    await reindex.begin_where_outdated(with_url)
    await client.api.store.commit(commit(made("Patient", "p", content=b"{}")))
    await reindex.begin_where_outdated(client.api)
    assert await client.api.store.count(Query(JOB_TYPE)) == 0
    await reindex.begin_where_outdated(with_url)
    await reindex.begin_where_outdated(with_url)
    assert await client.api.store.count(Query(JOB_TYPE)) == 1


async def test_what_cannot_be_understood_or_is_not_allowed_is_refused(client: Client) -> None:
    wrong = {"resourceType": "Parameters", "parameter": [{"name": "type", "valueCode": "Cat"}]}
    assert (await client.post("$reindex", wrong)).status == 400
    assert (await client.post("Patient/$reindex", wrong)).status == 400
    worker = client.calling_as(WORKER)
    empty = {"resourceType": "Parameters"}
    assert (await worker.post("Task/$reindex", empty)).status == 403
    assert (await client.get("Patient/$reindex")).status == 405


@pytest.mark.usefixtures("running")
async def test_writers_go_on_meanwhile_and_nothing_of_theirs_is_lost(client: Client) -> None:
    await store_patients(client, 300)
    await client.post("SearchParameter", definition())

    async def recolour() -> None:
        for number in range(0, 300, 5):
            changed = patient(f"p{number}", "violet")
            assert (await client.put(f"Patient/p{number}", changed)).status == 200
        for number in range(1, 300, 50):
            assert (await client.delete(f"Patient/p{number}")).status == 204

    await asyncio.gather(reindexed(client), recolour())
    assert await all_found(client, "Patient?eyes=violet") == sorted(
        f"p{n}" for n in range(0, 300, 5)
    )
    kept = [n for n in range(300) if n % 5 and n % 50 != 1]
    for at, colour in enumerate(COLOURS):
        expected = sorted(f"p{n}" for n in kept if n % 3 == at)
        assert await all_found(client, f"Patient?eyes={colour}") == expected


async def test_what_a_process_writes_that_has_not_heard_of_the_parameter_is_found_in_the_end(
    tmp_path: Path, client: Client
) -> None:
    other = SqliteStore.open(tmp_path / "data")
    elsewhere = replace(client, api=await watched(other, VALIDATOR))
    await client.post("SearchParameter", definition())
    await elsewhere.put("Patient/late", patient("late", "blue"))
    assert await warnings(client, "Patient?eyes=blue") == ["incomplete"]
    task = asyncio.create_task(JobRunner(client.api).keep_running())
    assert await reindexed(client) == 1
    assert await found(client, "Patient?eyes=blue") == ["late"]
    task.cancel()
    await other.close()


async def test_a_killed_process_leaves_no_gap(tmp_path: Path, client: Client) -> None:
    """SIGKILL in the middle of it; another process ends it, and search equals a look at every resource."""
    await store_patients(client, 2000)
    await client.post("SearchParameter", definition())
    reply = await client.post("Patient/$reindex", {"resourceType": "Parameters"})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fhir_api.conformance.reindexing", str(tmp_path / "data")
    )
    edition = client.api.search_parameters.active.edition("Patient")

    async def left() -> int:
        return await client.api.store.count_outdated("Patient", edition, 10_000)

    while await left() > 1500:
        assert process.returncode is None
        await asyncio.wait({asyncio.create_task(process.wait())}, timeout=0.01)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert 0 < await left() < 2000
    task = asyncio.create_task(JobRunner(client.api).keep_running())
    answer = await ended(client, reply.header("content-location"))
    assert answer["response"]["status"].startswith("200")
    assert await left() == 0
    for at, colour in enumerate(COLOURS):
        expected = sorted(f"p{n}" for n in range(2000) if n % 3 == at)
        assert await all_found(client, f"Patient?eyes={colour}") == expected
    task.cancel()
