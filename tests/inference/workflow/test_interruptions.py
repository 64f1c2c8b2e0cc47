"""Whatever happens between a claim and its end: nothing lost, nothing doubled, nothing made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest

from imaging.formats import Limits
from imaging.isolation import DecoderProcesses
from inference.client import FhirClient, Patience
from inference.credential import BearerToken
from inference.errors import Transient
from inference.models.chest_xray_pneumonia.view import ready
from inference.models.registry import InstalledModel
from inference.worker import run_worker
from inference.workflow.analyse import Workplace, analyse
from inference.workflow.fetch import Archives, Fetched
from inference.workflow.hold import Hold
from inference.workflow.introduce import introduce
from inference.workflow.queue import OperationsQueue, Worker
from inference.workflow.queue_by_search import SearchQueue
from inference.workflow.queue_choice import choose_queue
from inference.workflow.reading import Reader
from inference.workflow.source import Listed, Study
from inference.workflow.turns import Precedence
from tests.deployment import WORKER_TOKEN
from tests.inference.workflow.site import Site, radiograph, worker, worker_options

DEVICE = "ai-chest-xray-pneumonia-0.0.1"
STEPS = ("decode", "report")
"""The threads' work that one analysis of one image takes, in order."""


class Wire(httpx.AsyncBaseTransport):
    """A real connection on which a test may tamper with requests and answers."""

    def __init__(self) -> None:
        self.inner = httpx.AsyncHTTPTransport()
        self.before: Callable[[httpx.Request], Any] = lambda _: None
        self.after: Callable[[httpx.Request, httpx.Response], Any] = lambda _, response: response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.before(request)
        if isinstance(answer, httpx.Response):
            return answer
        response = await self.inner.handle_async_request(request)
        await response.aread()
        return self.after(request, response)

    async def aclose(self) -> None:
        await self.inner.aclose()


class Bench:
    """One analysis in slow motion: a claimed Task, and something to do at a step of it."""

    def __init__(self, here: Site, place: Workplace, wire: Wire) -> None:
        self.here, self.place, self.wire = here, place, wire

    async def claim(self) -> Hold:
        [hold] = await self.place.queue.claim(1, 5)
        return hold

    def at(self, step: str, act: Callable[[], Any]) -> None:
        """Does something just before the step."""
        number = STEPS.index(step)
        turns = self.place.processor
        turn = turns.turn
        count = 0

        @asynccontextmanager
        async def counted(rank: int) -> AsyncIterator[None]:
            nonlocal count
            count += 1
            if count - 1 == number:
                await act()
            async with turn(rank):
                yield

        turns.turn = counted  # type: ignore[method-assign]


@asynccontextmanager
async def bench(here: Site, model: InstalledModel, directory: Path) -> AsyncIterator[Bench]:
    await asyncio.to_thread(directory.mkdir)
    wire = Wire()
    base_url = f"{here.url}/fhir"
    patience = Patience(first_s=0.01)
    async with FhirClient(
        base_url, BearerToken(WORKER_TOKEN), transport=wire, patience=patience
    ) as client:
        with Reader(model, threads=1) as reader:
            queue = await choose_queue(
                client, Worker(directory.name, ("chest-xray-pneumonia",), (DEVICE,), 6)
            )
            await introduce(client, reader.model, "healthvision", "Test")
            precedence = Precedence()
            archives = Archives(client, directory, precedence)
            decoders = DecoderProcesses(1)
            await decoders.warm_up(ready)  # a lease of 6 seconds is not for starting processes
            place = Workplace(
                client,
                queue,
                archives,
                decoders,
                reader,
                precedence,
                precedence.turns(1),
                precedence.turns(2),
                Limits(),
                "test",
                "healthvision",
            )
            yield Bench(here, place, wire)
            await archives.close()
            decoders.close()


@pytest.fixture
async def study(here: Site) -> tuple[str, str]:
    patient = await here.patient()
    return patient, await here.upload(patient, radiograph())


async def results(here: Site) -> dict[str, int]:
    types = ("DiagnosticReport", "Observation", "Media", "Provenance")
    return {type: len(await here.found(f"{type}?_count=500")) for type in types}


NOTHING = {"DiagnosticReport": 0, "Observation": 0, "Media": 0, "Provenance": 0}
ONE_SET = {"DiagnosticReport": 1, "Observation": 1, "Media": 2, "Provenance": 1}


async def cancel(here: Site, id: str) -> None:
    task = await here.read(f"Task/{id}")
    assert (await here.put(task | {"status": "cancelled"})).status_code == 200


@pytest.mark.parametrize("step", STEPS)
async def test_cancelling_at_any_step_leaves_no_result(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path, step: str
) -> None:
    patient, imaging_study = study
    async with bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()
        table.at(step, lambda: cancel(here, id))
        await analyse(table.place, hold)
    assert (await here.read(f"Task/{id}"))["status"] == "cancelled"
    assert await results(here) == NOTHING


async def test_the_task_is_in_progress_while_a_slow_archive_is_waited_for(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    async with bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()
        said = asyncio.Event()

        async def loading() -> Path:
            await said.wait()
            raise Transient("the archive went away")

        def slow(_study: Study, listed: Listed) -> Fetched:
            return Fetched(listed, listed.uid, table.place.precedence.turns(1), loading)

        archive = SimpleNamespace(file=slow)
        table.place.archives.of = AsyncMock(return_value=archive)  # type: ignore[method-assign]
        work = asyncio.create_task(analyse(table.place, hold))
        while (await here.read(f"Task/{id}"))["status"] != "in-progress":
            assert not work.done()
        said.set()
        await work
    assert (await here.read(f"Task/{id}"))["status"] == "requested"


async def test_cancelling_before_anybody_claims_it(here: Site, model: InstalledModel) -> None:
    id = (await here.order("ImagingStudy/none", None))["id"]
    await cancel(here, id)
    async with worker(here, model):
        other = await here.order("ImagingStudy/none", None)
        await here.settled(other["id"])
    assert (await here.read(f"Task/{id}"))["meta"]["versionId"] == "2"


async def test_a_heartbeat_that_says_cancelled_ends_the_work(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    async with bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()
        reached = asyncio.Event()

        async def wait_for_ever() -> None:
            reached.set()
            await asyncio.Event().wait()

        table.at("report", wait_for_ever)
        work = asyncio.create_task(analyse(table.place, hold))
        hold.belongs_to(work)
        await reached.wait()
        await cancel(here, id)
        hold.heard(await table.place.queue.heartbeat(hold))
        await asyncio.wait_for(work, 10)
        assert hold.dropped == "cancelled"
    assert await results(here) == NOTHING


async def test_a_lost_lease_drops_the_results_and_the_next_worker_leaves_one_set(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    async with (
        bench(here, model, tmp_path / "a") as first,
        bench(here, model, tmp_path / "b") as second,
    ):
        id = (await here.order(imaging_study, patient))["id"]
        hold = await first.claim()
        taken: list[Hold] = []

        async def lose() -> None:
            """As if the lease had run out: the Task is handed to another worker."""
            stored = await here.read(f"Task/{id}")
            answer = await here.put(stored | {"status": "requested"})
            assert answer.status_code == 200
            taken.append(await second.claim())

        first.at("report", lose)
        await analyse(first.place, hold)
        assert await results(here) == NOTHING
        await analyse(second.place, taken[0])
    assert (await here.read(f"Task/{id}"))["status"] == "completed"
    assert await results(here) == ONE_SET


async def test_an_edit_by_the_requester_meanwhile_is_kept(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    async with bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()

        async def edit() -> None:
            stored = await here.read(f"Task/{id}")
            assert (await here.put(stored | {"description": "urgent call"})).status_code == 200

        table.at("report", edit)
        await analyse(table.place, hold)
    task = await here.read(f"Task/{id}")
    assert (task["status"], task["description"]) == ("completed", "urgent call")


async def test_a_task_that_asks_for_another_study_meanwhile_is_done_again(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    other = await here.upload(patient, radiograph())
    async with bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()

        async def edit() -> None:
            stored = await here.read(f"Task/{id}")
            changed = stored | {"focus": {"reference": other}}
            assert (await here.put(changed)).status_code == 200

        table.at("report", edit)
        await analyse(table.place, hold)
        assert (await here.read(f"Task/{id}"))["status"] == "requested"
        assert await results(here) == NOTHING
        await analyse(table.place, await table.claim())
    [report] = await here.found("DiagnosticReport")
    assert report["imagingStudy"] == [{"reference": other}]


def is_transaction(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.rstrip("/") == "/fhir"


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_completion_without_an_answer_is_neither_lost_nor_doubled(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path, arrives: bool
) -> None:
    """The connection ends before the transaction arrives, or before its answer does."""
    patient, imaging_study = study
    async with bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()
        broken: list[int] = []

        def break_once(request: httpx.Request) -> None:
            if is_transaction(request) and not broken:
                broken.append(1)
                raise httpx.ReadError("broken", request=request)

        def break_after(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            break_once(request)
            return response

        if arrives:
            table.wire.after = break_after
        else:
            table.wire.before = break_once
        await analyse(table.place, hold)
        assert broken
    assert (await here.read(f"Task/{id}"))["status"] == "completed"
    assert await results(here) == ONE_SET
    [report] = await here.found("DiagnosticReport")
    assert report["meta"]["versionId"] == "1"


async def test_a_server_that_is_down_at_completion_gets_the_task_done_later(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    async with bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()
        table.wire.before = lambda request: httpx.Response(503) if is_transaction(request) else None
        await analyse(table.place, hold)
        table.wire.before = lambda _: None
    task = await here.read(f"Task/{id}")
    assert task["statusReason"]["coding"][0]["code"] == "waiting-to-retry"
    async with worker(here, model):
        assert (await here.settled(id))["status"] == "completed"
    assert await results(here) == ONE_SET


async def test_results_that_the_server_refuses_fail_the_task_with_a_code(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    async with bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()
        table.wire.before = lambda request: httpx.Response(422) if is_transaction(request) else None
        await analyse(table.place, hold)
    task = await here.read(f"Task/{id}")
    assert task["status"] == "failed"
    assert task["statusReason"]["coding"][0]["code"] == "results-refused"


async def test_two_workers_share_a_backlog_and_leave_one_set_each(
    here: Site, model: InstalledModel, study: tuple[str, str]
) -> None:
    patient, imaging_study = study
    ids = [(await here.order(imaging_study, patient))["id"] for _ in range(12)]
    async with worker(here, model, at_once=3), worker(here, model, at_once=3):
        settled = [await here.settled(id) for id in ids]
    assert {task["status"] for task in settled} == {"completed"}
    assert await results(here) == {name: 12 * count for name, count in ONE_SET.items()}


async def test_a_worker_that_is_told_to_stop_leaves_no_task_in_its_hands(
    here: Site, model: InstalledModel, study: tuple[str, str]
) -> None:
    patient, imaging_study = study
    ids = [(await here.order(imaging_study, patient))["id"] for _ in range(30)]
    stop = asyncio.Event()
    working = asyncio.create_task(run_worker(worker_options(here), model, stop))
    await here.until(ids[0], lambda task: task["status"] != "requested")
    stop.set()
    await asyncio.wait_for(working, 20)
    states = {(await here.read(f"Task/{id}"))["status"] for id in ids}
    assert states <= {"requested", "completed"}
    async with worker(here, model):
        assert {(await here.settled(id))["status"] for id in ids} == {"completed"}
    assert (await results(here))["DiagnosticReport"] == len(ids)


async def test_a_worker_that_starts_before_its_server_waits_for_it(
    here: Site, model: InstalledModel
) -> None:
    stop = asyncio.Event()
    options = worker_options(Site("http://127.0.0.1:9", here.http))
    working = asyncio.create_task(run_worker(options, model, stop))
    await asyncio.sleep(0)
    assert not working.done()
    stop.set()
    await asyncio.wait_for(working, 20)


async def test_starting_again_makes_no_new_version_of_what_a_worker_says_of_itself(
    here: Site, model: InstalledModel, tmp_path: Path
) -> None:
    async with bench(here, model, tmp_path / "a"):
        organization = await here.read("Organization/healthvision")
        await here.put(organization | {"name": "Radiology of the town"})
    async with bench(here, model, tmp_path / "b"):
        pass
    for reference in (f"Device/{DEVICE}", f"DocumentReference/{DEVICE}-card"):
        assert (await here.read(reference))["meta"]["versionId"] == "1"
    assert (await here.read("Organization/healthvision"))["name"] == "Radiology of the town"


def plain_r4(request: httpx.Request) -> httpx.Response | None:
    """A server that knows no operation of ours."""
    return httpx.Response(404) if "$" in request.url.path else None


def without_operations(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if not request.url.path.endswith("/metadata"):
        return response
    statement = response.json()
    for resource in statement["rest"][0]["resource"]:
        resource.pop("operation", None)
    return httpx.Response(200, json=statement)


@asynccontextmanager
async def plain_bench(here: Site, model: InstalledModel, directory: Path) -> AsyncIterator[Bench]:
    async with bench(here, model, directory) as table:
        table.wire.before, table.wire.after = plain_r4, without_operations
        queue = await choose_queue(
            table.place.client, Worker("bench", ("chest-xray-pneumonia",), (DEVICE,), 6)
        )
        assert isinstance(queue, SearchQueue)
        place = table.place
        yield Bench(
            here,
            Workplace(
                place.client,
                queue,
                place.archives,
                place.decoders,
                place.reader,
                place.precedence,
                place.processor,
                place.storing,
                place.limits,
                place.software,
                place.organization,
            ),
            table.wire,
        )


async def test_any_r4_server_will_do(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    """Search, If-Match and transaction are enough."""
    patient, imaging_study = study
    async with plain_bench(here, model, tmp_path / "files") as table:
        ids = {
            priority: (await here.order(imaging_study, patient, priority=priority))["id"]
            for priority in ("routine", "stat")
        }
        holds = await table.place.queue.claim(2, 5)
        assert [hold.id for hold in holds] == [ids["stat"], ids["routine"]]
        for hold in holds:
            await analyse(table.place, hold)
        for id in ids.values():
            assert (await here.read(f"Task/{id}"))["status"] == "completed"
    assert (await results(here))["DiagnosticReport"] == 2


async def test_there_too_one_of_two_workers_gets_a_task(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    async with (
        plain_bench(here, model, tmp_path / "a") as one,
        plain_bench(here, model, tmp_path / "b") as two,
    ):
        await here.order(imaging_study, patient)
        first, second = await asyncio.gather(
            one.place.queue.claim(1, 0), two.place.queue.claim(1, 0)
        )
        assert len(first) + len(second) == 1


async def test_there_too_a_cancelled_task_leaves_no_result(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    async with plain_bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        hold = await table.claim()
        table.at("report", lambda: cancel(here, id))
        await analyse(table.place, hold)
        assert hold.dropped == "cancelled"
    assert await results(here) == NOTHING


async def test_there_too_an_incomplete_study_goes_back_with_its_reason(
    here: Site, model: InstalledModel, study: tuple[str, str], tmp_path: Path
) -> None:
    patient, imaging_study = study
    resource = await here.read(imaging_study)
    await here.put(resource | {"numberOfInstances": 2})
    async with plain_bench(here, model, tmp_path / "files") as table:
        id = (await here.order(imaging_study, patient))["id"]
        await analyse(table.place, await table.claim())
        assert await table.place.queue.claim(1, 0) == []
    task = await here.read(f"Task/{id}")
    assert task["status"] == "requested"
    assert task["statusReason"]["coding"][0]["code"] == "waiting-for-instances"


async def test_the_operations_are_used_where_the_server_lists_them(
    here: Site, model: InstalledModel, tmp_path: Path
) -> None:
    async with bench(here, model, tmp_path / "files") as table:
        assert isinstance(table.place.queue, OperationsQueue)
