"""``POST [base]/Task/$claim``: a worker takes the Tasks that it can do, most urgent and oldest first.

In:
    worker    string, 1..1    names the worker among those of the same credential; leases are held under it
    analysis  code, 0..*      analyses it offers (our CodeSystem of analyses)
    device    Reference(Device), 0..*  model versions it offers; the first becomes ``owner`` of what is claimed
    count     positiveInt     how many Tasks at most, 1..64; 1 if absent
    wait      unsignedInt     seconds to wait for one, 0..60; 0 if absent
    priority  code            the least urgent that it takes now: stat, asap, urgent or routine; routine if absent
    lease     positiveInt     seconds that the claim holds without a heartbeat, 2..3600

Out:
    task      Task, 0..*      claimed: ``accepted``, with the version to name in the completion's If-Match
    lease     integer         the lease in seconds

The claim of several Tasks is one commit: of two workers that reach for the same Task one gets it, the other goes on
to the next.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from fhir_api.access import OURSELVES, Caller
from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response
from fhir_api.interactions.write import Decision, build_write, decide_and_commit
from fhir_api.operations.parameters import parameters_of, parameters_response
from fhir_api.tasks.queue import PRIORITY, WAITING
from fhir_api.tasks.revision import revised
from store.interface import Commit, QueueAction, QueueChange, QueueEntry, Write
from terminology.analyses import device_topic

MOST_TASKS = 64
MOST_WAIT_S = 60
RECHECK_S = 1.0
"""How often a waiting claim looks again without being woken: a backoff that ends wakes nobody."""
SUSPECT_ATTEMPTS = 2
"""A Task begun this often without an end is handed out alone: if it takes its worker down, it takes no other."""

_NAMES = frozenset({"worker", "analysis", "device", "count", "wait", "priority", "lease"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker asks for."""

    owner: str
    topics: tuple[str, ...]
    device: str | None
    count: int
    least: int
    """Rank of the least urgent Task that it takes."""
    lease_us: int


def lease_owner(caller: Caller, worker: str) -> str:
    """Whom a lease belongs to: no credential can speak for another one's workers."""
    return f"{caller.id}/{worker}"


async def claim(api: Api, request: Request) -> Response:
    """Answers as soon as something is claimed, or without a Task when ``wait`` is over."""
    parameters = parameters_of(api, request, _NAMES)
    devices = parameters.references("device", "Device")
    topics = (
        *(f"analysis:{code}" for code in parameters.texts("analysis", "valueCode")),
        *map(device_topic, devices),
    )
    if not topics:
        text = "Name at least one analysis or device that the worker offers."
        raise FhirError(Category.INVALID, text, "Parameters.parameter")
    wait_s = parameters.integer("wait", 0, 0, MOST_WAIT_S)
    lease_s = parameters.integer("lease", round(api.options.lease_s), 2, 3600)
    wanted = Claim(
        owner=lease_owner(request.caller, parameters.text("worker")),
        topics=topics,
        device=devices[0] if devices else None,
        count=parameters.integer("count", 1, 1, MOST_TASKS),
        least=PRIORITY[parameters.choice("priority", PRIORITY, "routine")],
        lease_us=lease_s * 1_000_000,
    )
    tasks = await _wait(api, request, wanted, wait_s) if wait_s else await _take(api, wanted)
    answer: list[dict[str, Any]] = [
        {"name": "task", "resource": msgspec.Raw(content)} for content in tasks
    ]
    return parameters_response([*answer, {"name": "lease", "valueInteger": lease_s}])


async def _wait(api: Api, request: Request, wanted: Claim, wait_s: int) -> list[bytes]:
    """Takes what is there or comes within ``wait_s``; nothing once the client has gone: nobody would work on it."""
    gone = asyncio.ensure_future(request.gone() if request.gone else asyncio.Event().wait())
    deadline_s = time.monotonic() + wait_s
    try:
        while True:
            seen = await api.store.last_write("Task")
            tasks = await _take(api, wanted)
            left_s = deadline_s - time.monotonic()
            if tasks or left_s <= 0:
                return tasks
            # A Task that came while it was looked for ends the wait at once.
            change = asyncio.ensure_future(
                api.store.wait_for_change("Task", min(left_s, RECHECK_S), since=seen)
            )
            await asyncio.wait((change, gone), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                change.cancel()
                return []
    finally:
        gone.cancel()


async def _take(api: Api, wanted: Claim) -> list[bytes]:
    """The claimed Tasks as they are stored now; empty where there is nothing to do."""

    async def decide() -> Decision[list[bytes]]:
        now_us = api.clock()
        ready = await api.store.next_ready("Task", wanted.topics, now_us, wanted.count)
        entries = _together([entry for entry in ready if entry.priority >= wanted.least])
        stored = await api.store.read_many([("Task", entry.id) for entry in entries])
        writes: list[Write] = []
        for entry, version in zip(entries, stored, strict=True):
            if version is None or version.deleted:
                continue
            task = orjson.loads(version.content)
            if task.get("status") != WAITING:
                continue  # somebody was faster: the queue was read before the Task
            changes: dict[str, Any] = {"status": "accepted", "statusReason": None}
            if wanted.device and "owner" not in task:
                changes["owner"] = {"reference": f"Device/{wanted.device}"}
            lease = QueueChange(
                QueueAction.LEASE,
                owner=wanted.owner,
                lease_expires_at_us=now_us + wanted.lease_us,
            )
            draft = revised(version, now_us, changes)
            writes.append(
                await build_write(
                    api, draft, entry.id, version, "PUT", by=OURSELVES, now_us=now_us, queue=lease
                )
            )
        commit = Commit(writes=tuple(writes)) if writes else None
        return Decision(commit, [write.content for write in writes])

    try:
        return await decide_and_commit(api, decide)
    except FhirError as error:
        if error.category is not Category.CONFLICT:
            raise
        await asyncio.sleep(0)
        return []  # others kept winning: the caller waits or answers that there is nothing


def _together(ready: list[QueueEntry]) -> list[QueueEntry]:
    """The entries that one worker may get at once: a suspect alone, others up to the first suspect."""
    for number, entry in enumerate(ready):
        if entry.attempts >= SUSPECT_ATTEMPTS:
            return ready[:1] if number == 0 else ready[:number]
    return ready
