"""The worker: claims Tasks, works on several at once, keeps their leases, and ends cleanly.

    claim loop ──▶ one coroutine a Task (workflow/analyse.py) ──▶ results
    heartbeats beside it: every held Task, and what the server answers about it

Several Tasks are held at once so that the pixels of the next are fetched and decoded while the engine predicts the
current ones, in batches across Tasks. A worker that is killed leaves nothing behind: its leases run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import structlog

from imaging.formats import Limits
from imaging.isolation import DecoderProcesses
from inference.client import FhirClient
from inference.engines import EngineName
from inference.errors import Missing, NotAllowed, Refused, Transient
from inference.models.chest_xray_pneumonia.view import ready
from inference.models.registry import InstalledModel
from inference.workflow.analyse import Workplace, analyse
from inference.workflow.fetch import Archives
from inference.workflow.hold import Hold
from inference.workflow.introduce import introduce
from inference.workflow.queue import TaskQueue, Worker
from inference.workflow.queue_choice import choose_queue
from inference.workflow.reading import OutOfScope, Reader
from inference.workflow.turns import Precedence

log = structlog.get_logger(__name__)

CLAIM_WAIT_S = 20
STAT_AT_ONCE = 2
"""Urgent Tasks that are held besides the others."""
CONNECTIONS = 8
"""Two wait for Tasks, the others are shared: most of a Task's time is spent beside the wire."""
STORED_AT_ONCE = 2
"""Results on their way: the server's answer to something urgent waits for no more than these."""
LAST_WORDS_S = 5.0
"""How long Tasks under way may still take when the worker is told to stop; then they are handed back."""
LAST_ANSWER_S = 0.3
"""How long a claim under way may still be answered when the worker is told to stop."""
HEARTBEAT_S = 2.0
"""A held Task is spoken of at least this often, or three times in its lease: so soon a cancellation is heard of."""


def worker_name() -> str:
    """A name that no other worker has, also none that this process was before a restart."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """One worker. ``base_url`` is the FHIR base of the server whose Tasks it does."""

    base_url: str
    credential: httpx.Auth | None
    software: str
    """Name and version of the code, for Provenance."""
    engine: EngineName | None = None
    threads: int | None = None
    """Of one engine run; None: all cores but one."""
    out_of_scope: OutOfScope = OutOfScope.CAUTION
    lease_s: int = 30
    largest_batch: int = 8
    at_once: int = 12
    """Tasks held at once: a batch that is predicted, and the next ones on their way."""
    trusted_archives: tuple[str, ...] = ()
    """URL prefixes of DICOMweb archives, besides the server's own, that Endpoints may name."""
    organization: str = "healthvision"
    organization_name: str = "HealthVision AI service"
    limits: Limits = field(default_factory=Limits)
    name: str = field(default_factory=worker_name)


async def run_worker(
    options: WorkerOptions, installed: InstalledModel, stop: asyncio.Event
) -> None:
    """Works until ``stop`` is set; returns when every Task in hand is finished or handed back.

    Raises:
        NotAllowed: the server does not accept the credential.
        ModelError, EngineError: the model cannot be loaded.
    """
    reader = await asyncio.to_thread(_reader, options, installed)
    try:
        async with FhirClient(
            options.base_url, options.credential, connections=CONNECTIONS
        ) as client:
            queue = await _ready(client, options, reader, stop)
            if queue is not None:
                await _work(options, client, queue, reader, stop)
    finally:
        await asyncio.to_thread(reader.close)


async def _work(
    options: WorkerOptions,
    client: FhirClient,
    queue: TaskQueue,
    reader: Reader,
    stop: asyncio.Event,
) -> None:
    with tempfile.TemporaryDirectory(prefix="healthvision-worker-") as directory:
        precedence = Precedence()
        archives = Archives(client, Path(directory), precedence, trusted=options.trusted_archives)
        decoders = DecoderProcesses(_helpers())
        try:
            await decoders.warm_up(ready)
            await Loop(options, client, queue, archives, decoders, reader, precedence, stop).run()
        finally:
            await archives.close()
            await asyncio.to_thread(decoders.close)


def _reader(options: WorkerOptions, installed: InstalledModel) -> Reader:
    return Reader(
        installed,
        engine=options.engine,
        threads=options.threads,
        out_of_scope=options.out_of_scope,
        largest_batch=options.largest_batch,
    )


async def _ready(
    client: FhirClient, options: WorkerOptions, reader: Reader, stop: asyncio.Event
) -> TaskQueue | None:
    """Introduces the worker to its server, as soon as there is one. None: it was told to stop first."""
    model = reader.model
    worker = Worker(options.name, (model.analysis,), (model.device,), options.lease_s)
    while not stop.is_set():
        try:
            queue = await choose_queue(client, worker)
            await introduce(client, model, options.organization, options.organization_name)
        except Transient as error:
            log.info("server_not_ready", error=type(error).__name__)
            await _stopped_within(stop, random.uniform(0.2, 1.0))  # noqa: S311 - jitter is no secret
        else:
            log.info("worker_ready", worker=options.name, model=model.device, engine=reader.engine)
            return queue
    return None


class Lane:
    """Tasks that are claimed and counted together. Urgent ones have a lane of their own: it is never full of others."""

    def __init__(self, least: str, at_once: int) -> None:
        self.least, self.free = least, at_once
        self.freed = asyncio.Event()


class Loop:
    """The state of a running worker: what it holds."""

    def __init__(
        self,
        options: WorkerOptions,
        client: FhirClient,
        queue: TaskQueue,
        archives: Archives,
        decoders: DecoderProcesses,
        reader: Reader,
        precedence: Precedence,
        stop: asyncio.Event,
    ) -> None:
        self._options, self._queue, self._stop = options, queue, stop
        self._place = Workplace(
            client=client,
            queue=queue,
            archives=archives,
            decoders=decoders,
            reader=reader,
            precedence=precedence,
            processor=precedence.turns(_helpers()),
            storing=precedence.turns(STORED_AT_ONCE, urgent_waits=False),
            limits=options.limits,
            software=options.software,
            organization=options.organization,
        )
        self._held: dict[asyncio.Task[None], Hold] = {}
        self._fatal: NotAllowed | None = None

    async def run(self) -> None:
        """Raises NotAllowed where the credential is no longer accepted."""
        async with _beside(self._keep_leases()):
            lanes = (Lane("routine", self._options.at_once), Lane("stat", STAT_AT_ONCE))
            await asyncio.gather(*map(self._claim_until_stopped, lanes))
            await self._finish()
        if self._fatal is not None:
            raise self._fatal

    async def _claim_until_stopped(self, lane: Lane) -> None:
        failures = 0
        while not self._stop.is_set():
            if lane.free <= 0:
                lane.freed.clear()
                await _any_of(lane.freed.wait(), self._stop.wait())
                continue
            claim = asyncio.create_task(self._queue.claim(lane.free, CLAIM_WAIT_S, lane.least))
            await _any_of(claim, self._stop.wait())
            if not claim.done():
                # One that is being answered just now holds Tasks: they are taken in, to be handed back.
                await asyncio.wait((claim,), timeout=LAST_ANSWER_S)
            if not claim.done():
                claim.cancel()
                return
            try:
                holds = claim.result()
                failures = 0
            except NotAllowed as error:
                self._end_with(error)
                return
            except (Transient, Refused) as error:
                failures += 1
                log.info("claim_failed", error=type(error).__name__, failures=failures)
                pause_s = random.uniform(0.1, min(10.0, 0.2 * 2.0 ** min(failures, 10)))  # noqa: S311
                await _stopped_within(self._stop, pause_s)
                continue
            self._take_up(lane, holds)

    def _take_up(self, lane: Lane, holds: Sequence[Hold]) -> None:
        for hold in holds:
            work = asyncio.create_task(analyse(self._place, hold), name=f"task-{hold.id}")
            hold.belongs_to(work)
            self._held[work] = hold
            lane.free -= 1
            work.add_done_callback(partial(self._put_down, lane))

    def _put_down(self, lane: Lane, work: asyncio.Task[None]) -> None:
        del self._held[work]
        lane.free += 1
        lane.freed.set()
        error = None if work.cancelled() else work.exception()
        if isinstance(error, NotAllowed):
            self._end_with(error)

    def _end_with(self, error: NotAllowed) -> None:
        self._fatal = error
        self._stop.set()

    async def _finish(self) -> None:
        """Lets what is under way finish for a moment, then hands the rest back."""
        if self._held:
            await asyncio.wait(self._held, timeout=LAST_WORDS_S)
        rest = list(self._held)
        for work in rest:
            work.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _keep_leases(self) -> None:
        pause_s = min(HEARTBEAT_S, self._options.lease_s / 3)
        while True:
            await asyncio.sleep(pause_s / 2)
            now_s = time.monotonic()
            due = [hold for hold in self._held.values() if now_s - hold.heard_s >= pause_s / 2]
            await asyncio.gather(*map(self._speak_of, due))

    async def _speak_of(self, hold: Hold) -> None:
        try:
            if hold.document.status == "in-progress":
                standing = await self._queue.progress(hold, hold.stage, hold.percent)
            else:
                standing = await self._queue.heartbeat(hold)
            hold.heard(standing)
        except Missing:
            hold.drop("the Task is gone")
        except (Transient, Refused) as error:
            log.info("heartbeat_failed", task=hold.id, error=type(error).__name__)
            if time.monotonic() - hold.heard_s > self._options.lease_s:
                hold.drop("lease lost: the server was silent for its whole length")


def _helpers() -> int:
    """Threads for decoding and drawing: all cores but one, at least one."""
    return max(1, (os.cpu_count() or 1) - 1)


async def _stopped_within(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _any_of(*waits: Awaitable[object]) -> None:
    """Returns when the first of them is done. Those given as coroutines end then; a Task given goes on."""
    futures = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future, wait in zip(futures, waits, strict=True):
            if future is not wait:
                future.cancel()


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Runs ``work`` beside the block and ends it with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
