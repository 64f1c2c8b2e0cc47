"""Tasks from any R4 server: search for what is requested, accept by PUT with If-Match; one of two workers gets a 412.

There is no lease there. Instead the Task's own ``meta.lastUpdated`` is: a worker touches what it holds, and what
nobody touched for long is taken over. What this worker tried and gave back it remembers itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from inference.client import FhirClient
from inference.errors import Ambiguous, Conflict, Missing
from inference.workflow.hold import Hold, Standing
from inference.workflow.queue import Handback, Worker
from inference.workflow.task import WORKING, TaskDocument, instant
from terminology.analyses import ANALYSIS_SYSTEM
from terminology.task_reasons import status_reason

POLL_S = 2.0
ATTEMPTS = 5
TOUCH_S = 300.0
"""How long a held Task stays untouched at most."""
STALE_S = 900.0
"""Untouched for longer, its worker is taken to be gone. Three touches, and far more than clocks differ."""
MEMORY_S = 86_400.0
"""How long the attempts at a Task that was given back are remembered."""
_PRIORITIES = ("stat", "asap", "urgent", "routine")


class SearchQueue:
    """See the module."""

    def __init__(self, client: FhirClient, worker: Worker) -> None:
        self._client, self._worker = client, worker
        self._attempts: dict[str, int] = {}
        self._not_before_s: dict[str, float] = {}
        self._touched_s: dict[str, float] = {}

    def _forget(self) -> None:
        """Lets go of Tasks that nothing was heard of for long: a worker runs for months."""
        now_s = time.monotonic()
        for id in [id for id, at_s in self._touched_s.items() if now_s - at_s > 2 * STALE_S]:
            del self._touched_s[id]
        for id in [id for id, at_s in self._not_before_s.items() if now_s - at_s > MEMORY_S]:
            del self._not_before_s[id]
            self._attempts.pop(id, None)

    async def claim(self, count: int, wait_s: int, least: str = "routine") -> list[Hold]:
        self._forget()
        deadline_s = time.monotonic() + wait_s
        while True:
            holds = await self._look(count, least)
            left_s = deadline_s - time.monotonic()
            if holds or left_s <= 0:
                return holds
            await asyncio.sleep(min(left_s, POLL_S))

    async def heartbeat(self, hold: Hold) -> Standing:
        current = await self._read(hold.id)
        if current.status not in WORKING or not current.asks_the_same_as(hold.document):
            return Standing(current.status, held=False, version=current.version)
        if time.monotonic() - self._touched_s.get(hold.id, 0.0) > TOUCH_S:
            current = await self._put(current, {})
        return Standing(current.status, held=True, version=current.version)

    async def progress(self, hold: Hold, stage: str, percent: int) -> Standing:
        """Only the first makes a version: ``stage`` and ``percent`` have no place beside the Task there."""
        del stage, percent
        if hold.document.status != "accepted":
            return await self.heartbeat(hold)
        started = {"start": instant(datetime.now(UTC))}
        changes = {"status": "in-progress", "executionPeriod": started}
        try:
            hold.document = await self._put(hold.document, changes)
        except Conflict:
            return await self.heartbeat(hold)
        return Standing("in-progress", held=True, version=hold.document.version)

    async def hand_back(self, hold: Hold, handback: Handback) -> None:
        attempts = self._attempts.get(hold.id, 0) + (1 if handback.counts else 0)
        self._attempts[hold.id] = attempts
        wait_s = min(300.0, 2.0**attempts) * random.uniform(0.5, 1)  # noqa: S311 - jitter is no secret
        self._not_before_s[hold.id] = time.monotonic() + wait_s
        current = await self._read(hold.id)
        if current.status not in WORKING:
            return
        reason = status_reason(handback.reason, handback.text)
        if attempts < ATTEMPTS:
            await self._put(current, {"status": "requested", "statusReason": reason})
        else:
            body = bytes(current.ended("failed", statusReason=reason))
            await self._client.update("Task", hold.id, body, if_match=current.version)

    async def _look(self, count: int, least: str) -> list[Hold]:
        now_s = time.monotonic()
        wanted = _PRIORITIES[: _PRIORITIES.index(least) + 1]
        found = [
            task
            for parameters in self._searches()
            for task in await self._search(parameters)
            if self._not_before_s.get(task["id"], 0.0) <= now_s
            and task.get("priority", "routine") in wanted
        ]
        found.sort(key=lambda task: _PRIORITIES.index(task.get("priority", "routine")))
        holds: list[Hold] = []
        for id in dict.fromkeys(str(task["id"]) for task in found):
            if len(holds) == count:
                break
            hold = await self._accept(id)
            if hold:
                holds.append(hold)
        return holds

    def _searches(self) -> list[dict[str, str]]:
        """What is requested of an analysis or a Device of ours, and what a worker with our Device left behind."""
        codes = ",".join(f"{ANALYSIS_SYSTEM}|{code}" for code in self._worker.analyses)
        owners = ",".join(f"Device/{id}" for id in self._worker.devices)
        stale = instant(datetime.now(UTC) - timedelta(seconds=STALE_S))
        searches = []
        if codes:
            searches.append({"status": "requested", "code": codes})
        if owners:
            searches.append({"status": "requested", "owner": owners})
            working = ",".join(sorted(WORKING))
            searches.append({"status": working, "owner": owners, "_lastUpdated": f"lt{stale}"})
        return searches

    async def _search(self, parameters: dict[str, str]) -> list[dict[str, Any]]:
        page = await self._client.search(
            "Task", {**parameters, "_sort": "_lastUpdated", "_count": "50"}
        )
        entries = page.get("entry", [])
        return [entry["resource"] for entry in entries if "resource" in entry]

    async def _accept(self, id: str) -> Hold | None:
        try:
            # Read first: a search may come from a cache, and its copy may be a summary.
            current = await self._read(id)
            if current.status != "requested" and not _is_stale(current):
                return None
            changes: dict[str, Any] = {"status": "accepted", "statusReason": None}
            if self._worker.devices and "owner" not in current.tree:
                changes["owner"] = {"reference": f"Device/{self._worker.devices[0]}"}
            return Hold(await self._put(current, changes))
        except (Conflict, Missing, Ambiguous):
            return None  # another worker was faster, or nobody knows: it is looked at again

    async def _read(self, id: str) -> TaskDocument:
        return TaskDocument.parse((await self._client.read("Task", id)).body)

    async def _put(self, document: TaskDocument, changes: dict[str, Any]) -> TaskDocument:
        body = bytes(document.changed(changes))
        answer = await self._client.update("Task", document.id, body, if_match=document.version)
        self._touched_s[document.id] = time.monotonic()
        if answer.body:
            return TaskDocument.parse(answer.body)
        return await self._read(document.id)


def _is_stale(task: TaskDocument) -> bool:
    updated = datetime.fromisoformat(str(task.tree["meta"]["lastUpdated"]))
    return task.status in WORKING and datetime.now(UTC) - updated > timedelta(seconds=STALE_S)
