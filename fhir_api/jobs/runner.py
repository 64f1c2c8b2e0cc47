"""Runs jobs: each API process takes a few, keeps their leases, and takes back those whose process fell silent."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import suppress
from dataclasses import replace

import msgspec
import structlog

from fhir_api.api import Api
from fhir_api.auditing import audited
from fhir_api.boundary import refusal_of
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, error_response
from fhir_api.jobs.record import TOPIC, Job, State, job_removal, job_write, read_job
from fhir_api.jobs.running import JOB_TYPE, Cancelled, Running, progress_of
from fhir_api.operations.registry import operation_at
from store.errors import LeaseLost, StoreError, VersionConflict
from store.interface import Commit, QueueAction, QueueChange, QueueEntry
from store.query import Compare, Query, TokenIs, UpdatedIs

log = structlog.get_logger(__name__)

AT_ONCE = 2
"""Jobs of one process: requests that somebody waits for come first."""
RECHECK_S = 1.0
REMOVE_EVERY_US = 60_000_000
BEATS = 3
"""Heartbeats within a lease."""
_BATCH = 100


class JobRunner:
    """The jobs that this process runs."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._running: set[asyncio.Task[None]] = set()
        self._lease_us = round(api.options.lease_s * 1_000_000)
        self._removed_at_us = 0

    async def keep_running(self) -> None:
        """Takes jobs and sweeps until it is cancelled; then its jobs are left to their leases."""
        try:
            while True:
                seen = None
                try:
                    seen = await self._api.store.last_write(JOB_TYPE)
                    await self.sweep()
                    await self.take()
                except StoreError as error:
                    log.warning("job_pass_failed", error=type(error).__name__)
                await self._api.store.wait_for_change(JOB_TYPE, RECHECK_S, since=seen)
        finally:
            for task in self._running:
                task.cancel()

    async def take(self) -> int:
        """Begins what waits, as far as there is room; answers how many."""
        room = AT_ONCE - len(self._running)
        ready = await self._api.store.next_ready(JOB_TYPE, (TOPIC,), self._api.clock(), room)
        for entry in ready[: max(room, 0)]:
            if job := await self._claimed(entry):
                task = asyncio.create_task(self._run(entry.id, job))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        return len(ready)

    async def idle(self) -> None:
        """Returns when nothing runs here."""
        while self._running:
            await asyncio.wait(self._running)

    async def _claimed(self, entry: QueueEntry) -> Job | None:
        version = await self._api.store.read(JOB_TYPE, entry.id)
        if version is None or version.deleted:
            return None
        now_us = self._api.clock()
        lease = QueueChange(
            QueueAction.LEASE, owner=self._owner, lease_expires_at_us=now_us + self._lease_us
        )
        job = read_job(version)
        try:
            write = job_write(job, entry.id, version, now_us, lease)
            await self._api.store.commit(Commit(writes=(write,)))
        except (VersionConflict, LeaseLost):
            return None
        return job

    async def _run(self, id: str, job: Job) -> None:
        running = Running(
            self._api.store, id, self._owner, self._lease_us, self._api.clock, job.checkpoint
        )
        work = asyncio.create_task(self._answer(job, running))
        holding = asyncio.create_task(self._keep_holding(running))
        try:
            await asyncio.wait((work, holding), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await self._keep(id, await work)
        except Cancelled:
            log.info("job_cancelled", request_id=job.request_id)
        except (StoreError, FhirError) as error:  # it is begun again when its lease has run out
            log.warning("job_failed", request_id=job.request_id, error=type(error).__name__)
        finally:
            for task in (work, holding):
                task.cancel()
            await asyncio.gather(work, holding, return_exceptions=True)

    async def _answer(self, job: Job, running: Running) -> Response:
        """The operation's answer, a refusal too.

        Raises:
            Cancelled: nobody wants it.
            FhirError: the store cannot for now: no answer to keep.
        """
        try:
            body = await self._api.store.blobs.get(job.body) if job.body else b""
            request: Request = replace(job.request(body), job=running)
            operation = operation_at(request.path)
            if operation is None:
                raise FhirError(Category.NOT_SUPPORTED, "There is no such operation here.")
            return await audited(self._api, request, operation.handler)
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary, as ``routes.handle``
            refusal = refusal_of(error, job.method, job.request_id)
        if refusal.category is Category.TRANSIENT:
            raise refusal
        return error_response(refusal)

    async def _keep_holding(self, running: Running) -> None:
        """Renews the lease until it is lost: then the work is not wanted any more."""
        with suppress(Cancelled):
            while True:
                await asyncio.sleep(self._api.options.lease_s / BEATS)
                await running.hold()

    async def _keep(self, id: str, response: Response) -> None:
        """Keeps the answer, unless the job was cancelled meanwhile."""
        version = await self._api.store.read(JOB_TYPE, id)
        if version is None or version.deleted:
            return
        sha256 = (await self._api.store.blobs.put(response.body)).sha256 if response.body else None
        done = msgspec.structs.replace(
            read_job(version),
            state=State.DONE,
            status=response.status,
            answer_headers=response.headers,
            answer=sha256,
        )
        gone = QueueChange(QueueAction.REMOVE)
        write = job_write(done, id, version, self._api.clock(), gone)
        with suppress(VersionConflict, LeaseLost):
            held = ((JOB_TYPE, id, self._owner),)
            await self._api.store.commit(Commit(writes=(write,), held=held))

    async def sweep(self) -> None:
        """Puts back what silent processes held, gives up what was begun too often, removes old answers."""
        now_us = self._api.clock()
        for entry in await self._api.store.expired_leases(JOB_TYPE, now_us, _BATCH):
            await self._put_back(entry)
        if now_us - self._removed_at_us > REMOVE_EVERY_US:
            self._removed_at_us = now_us
            await self._remove_old(now_us)

    async def _remove_old(self, now_us: int) -> None:
        store = self._api.store
        old_us = now_us - round(self._api.options.job_keep_s * 1_000_000)
        for state in (State.DONE, State.LOST):
            where = (TokenIs("state", None, state), UpdatedIs(Compare.LT, old_us, old_us))
            page = await store.search(Query(JOB_TYPE, where, limit=_BATCH))
            for hit in page.hits:
                removal = job_removal(hit.version.id, hit.version, now_us)
                with suppress(VersionConflict):
                    await store.commit(Commit(writes=(removal,)))

    async def _put_back(self, entry: QueueEntry) -> None:
        version = await self._api.store.read(JOB_TYPE, entry.id)
        if version is None or version.deleted or entry.owner is None:
            return
        now_us, job = self._api.clock(), read_job(version)
        reached = progress_of(entry.progress).checkpoint
        if reached != job.checkpoint:  # it gets on: only attempts without progress count
            queue = QueueChange(QueueAction.PUT, (TOPIC,), 0, job.created_us, now_us, attempts=0)
            job = msgspec.structs.replace(job, checkpoint=reached or job.checkpoint)
        elif entry.attempts >= self._api.options.attempt_limit:
            queue = QueueChange(QueueAction.REMOVE)
            job = msgspec.structs.replace(job, state=State.LOST)
        else:
            queue = QueueChange(QueueAction.PUT, (TOPIC,), 0, job.created_us, now_us)
        write = job_write(job, entry.id, version, now_us, queue)
        with suppress(VersionConflict, LeaseLost):
            held = ((JOB_TYPE, entry.id, entry.owner),)
            await self._api.store.commit(Commit(writes=(write,), held=held))
            log.info("job_lease_expired", attempts=entry.attempts, state=job.state)
