"""What a worker says about a Task that it holds: ``$heartbeat``, ``$progress`` and ``$release`` on ``Task/<id>``.

In:
    worker    string, 1..1   as in ``$claim``
    lease     positiveInt    seconds from now, 2..3600
$progress, besides:
    stage     code, 1..1     what the worker does now
    percent   integer        0..100
    message   string         for a person; nothing about the patient
$release, instead of a lease:
    reason    code, 1..1     a reason of our CodeSystem, why the Task goes back
    message   string
    delay     unsignedInt    seconds until it is offered again; by the reason's backoff if absent
    count     boolean        whether this was an attempt; true if absent

Out:
    status     code      of the Task now
    cancelled  boolean   the requester does not want it any more: stop
    held       boolean   the lease is the worker's; false: drop the Task and all that was made for it
    version    string    the Task's version now, for If-Match
    task       Task      as it is now, where this call made a version of it

The first ``$progress`` makes an accepted Task ``in-progress``. Heartbeats and further progress make no version.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from fhir_api.access import OURSELVES
from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, instant
from fhir_api.interactions.write import Decision, build_write, decide_and_commit, version_of
from fhir_api.operations.claim import lease_owner
from fhir_api.operations.parameters import Parameters, parameters_of, parameters_response
from fhir_api.tasks.progress import business_status
from fhir_api.tasks.queue import WORKING
from fhir_api.tasks.retries import BACKOFFS, returned
from fhir_api.tasks.revision import revised
from store.errors import LeaseLost
from store.interface import Commit, QueueAction, QueueChange, Version

_HEARTBEAT = frozenset({"worker", "lease"})
_PROGRESS = _HEARTBEAT | {"stage", "percent", "message"}
_RELEASE = frozenset({"worker", "reason", "message", "delay", "count"})


async def heartbeat(api: Api, request: Request) -> Response:
    """Extends the lease and says whether the Task is still wanted."""
    parameters = parameters_of(api, request, _HEARTBEAT)
    return await _renew(api, request, parameters, None)


async def progress(api: Api, request: Request) -> Response:
    """As a heartbeat, and keeps the stage and percent beside the Task."""
    parameters = parameters_of(api, request, _PROGRESS)
    percent = parameters.integer("percent", -1, 0, 100)
    status = business_status(
        parameters.text("stage", "valueCode"),
        percent if percent >= 0 else None,
        parameters.optional_text("message"),
    )
    begun = await _begin(api, request, parameters)
    return await _renew(api, request, parameters, status, begun)


async def release(api: Api, request: Request) -> Response:
    """Gives the Task back: ``requested`` again, or ``failed`` when its attempts are used up."""
    parameters = parameters_of(api, request, _RELEASE)
    owner = lease_owner(request.caller, parameters.text("worker"))
    reason = parameters.choice("reason", BACKOFFS)
    delay_s = parameters.integer("delay", -1, 0, 3600)
    counts = parameters.flag("count", default=True)
    id = request.path[1]

    async def decide() -> Decision[tuple[Version, bool]]:
        current = await _task(api, id)
        entry = await api.store.queue_entry("Task", id)
        task = orjson.loads(current.content)
        if entry is None or entry.owner != owner or task.get("status") not in WORKING:
            return Decision(None, (current, False))
        now_us = api.clock()
        change = returned(
            task,
            entry,
            reason,
            now_us,
            api.options.attempt_limit,
            counts=counts,
            text=parameters.optional_text("message"),
            delay_s=delay_s if delay_s >= 0 else None,
        )
        draft = revised(current, now_us, change.changes)
        write = await build_write(
            api, draft, id, current, "PUT", by=OURSELVES, now_us=now_us, queue=change.queue
        )
        commit = Commit(writes=(write,), held=(("Task", id, owner),))
        return Decision(commit, (version_of(write), True))

    try:
        version, held = await decide_and_commit(api, decide)
    except LeaseLost:
        version, held = await _task(api, id), False
    return _answer(version, held=held)


async def _begin(api: Api, request: Request, parameters: Parameters) -> Version | None:
    """Makes an accepted Task in-progress, where the worker holds it; answers that version."""
    id, owner = request.path[1], lease_owner(request.caller, parameters.text("worker"))

    async def decide() -> Decision[Version | None]:
        current = await _task(api, id)
        task = orjson.loads(current.content)
        entry = await api.store.queue_entry("Task", id)
        if task.get("status") != "accepted" or entry is None or entry.owner != owner:
            return Decision(None, None)
        now_us = api.clock()
        period = task.get("executionPeriod")
        changes: dict[str, Any] = {"status": "in-progress"}
        if not (isinstance(period, dict) and "start" in period):
            changes["executionPeriod"] = {"start": instant(now_us)}
        draft = revised(current, now_us, changes)
        keep = QueueChange(QueueAction.KEEP)
        write = await build_write(
            api, draft, id, current, "PUT", by=OURSELVES, now_us=now_us, queue=keep
        )
        commit = Commit(writes=(write,), held=(("Task", id, owner),))
        return Decision(commit, version_of(write))

    try:
        return await decide_and_commit(api, decide)
    except LeaseLost:
        return None  # the answer says that it is not held


async def _renew(
    api: Api,
    request: Request,
    parameters: Parameters,
    status: bytes | None,
    begun: Version | None = None,
) -> Response:
    lease_s = parameters.integer("lease", round(api.options.lease_s), 2, 3600)
    owner = lease_owner(request.caller, parameters.text("worker"))
    id = request.path[1]
    expires_us = api.clock() + lease_s * 1_000_000
    held = await api.store.renew_lease("Task", id, owner, expires_us, status)
    return _answer(await _task(api, id), held=held, made=begun)


async def _task(api: Api, id: str) -> Version:
    current = await api.store.read("Task", id)
    if current is None:
        raise FhirError(Category.NOT_FOUND, "There is no such Task.")
    if current.deleted:
        raise FhirError(Category.DELETED, "The Task was deleted.")
    return current


def _answer(version: Version, *, held: bool, made: Version | None = None) -> Response:
    status = orjson.loads(version.content).get("status")
    answer: list[dict[str, Any]] = [
        {"name": "status", "valueCode": status},
        {"name": "cancelled", "valueBoolean": status == "cancelled"},
        {"name": "held", "valueBoolean": held},
        {"name": "version", "valueString": str(version.version)},
    ]
    if made is not None and made.version == version.version:
        answer.append({"name": "task", "resource": msgspec.Raw(version.content)})
    return parameters_response(answer)
