"""Returns Tasks whose worker fell silent: their lease has run out.

Any number of processes may sweep: each return is a commit on the version that was read, so one of them wins.
"""

from __future__ import annotations

import asyncio

import orjson
import structlog

from fhir_api.access import OURSELVES
from fhir_api.api import Api
from fhir_api.auditing import with_outbox
from fhir_api.errors import FhirError
from fhir_api.interactions.write import build_write
from fhir_api.tasks.queue import WORKING
from fhir_api.tasks.retries import returned
from fhir_api.tasks.revision import revised
from store.errors import LeaseLost, StoreError, VersionConflict
from store.interface import Commit, QueueEntry

log = structlog.get_logger(__name__)

PAUSE_S = 1.0
"""Between two passes: how much later than its lease's end a Task returns at most."""
_BATCH = 100


async def keep_sweeping(api: Api) -> None:
    """Sweeps until it is cancelled. A pass that fails is logged and made again."""
    while True:
        try:
            await sweep(api)
        except (StoreError, FhirError) as error:
            log.warning("sweep_failed", error=type(error).__name__)
        await asyncio.sleep(PAUSE_S)


async def sweep(api: Api) -> int:
    """Returns every Task whose lease has run out; answers how many this call returned or failed."""
    done = 0
    while True:
        expired = await api.store.expired_leases("Task", api.clock(), _BATCH)
        swept = [await _return(api, entry) for entry in expired]
        done += sum(swept)
        if len(expired) < _BATCH or not any(swept):
            return done


async def _return(api: Api, entry: QueueEntry) -> bool:
    """False: somebody else was faster, or the Task moved on."""
    assert entry.owner is not None, "an expired lease has an owner"
    current = await api.store.read("Task", entry.id)
    if current is None or current.deleted:
        return False
    task = orjson.loads(current.content)
    if task.get("status") not in WORKING:
        return False
    now_us = api.clock()
    change = returned(
        task,
        entry,
        "lease-expired",
        now_us,
        api.options.attempt_limit,
        # A Task that its worker had only claimed, not begun, cannot be what ended the worker.
        counts=task["status"] == "in-progress",
    )
    draft = revised(current, now_us, change.changes)
    write = await build_write(
        api, draft, entry.id, current, "PUT", by=OURSELVES, now_us=now_us, queue=change.queue
    )
    try:
        commit = Commit(writes=(write,), held=(("Task", entry.id, entry.owner),))
        await api.store.commit(with_outbox(api, commit))
    except (VersionConflict, LeaseLost):
        return False
    log.info(
        "lease_expired", task=entry.id, attempts=entry.attempts, status=change.changes["status"]
    )
    return True
