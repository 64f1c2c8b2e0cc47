"""A Task in this worker's hands, until it is finished, given back, or no longer ours."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from inference.errors import Dropped
from inference.workflow.task import TaskDocument

_ENDS = frozenset({"completed", "failed", "rejected"})
"""Ends that this worker may just be writing itself: its own answer says whether it was the one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the server says about a held Task."""

    status: str
    held: bool
    version: str

    @property
    def cancelled(self) -> bool:
        return self.status == "cancelled"


class Hold:
    """One claimed Task. Whoever learns that it is no longer ours says so here; every step asks before it goes on."""

    def __init__(self, document: TaskDocument) -> None:
        self.document = document
        self.version = document.version
        """The Task's version on the server, as last heard."""
        self.stage = "claim"
        self.percent = 0
        self.heard_s = time.monotonic()
        """When the server last answered about this Task (monotonic clock)."""
        self._dropped: str | None = None
        self._work: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        return self.document.id

    def belongs_to(self, work: asyncio.Task[None]) -> None:
        """The coroutine that works on the Task: it is cancelled as soon as the Task is dropped."""
        self._work = work

    def heard(self, standing: Standing) -> None:
        """Takes in what the server says."""
        self.version = standing.version
        self.heard_s = time.monotonic()
        if standing.cancelled:
            self.drop("cancelled")
        elif not standing.held and standing.status not in _ENDS:
            self.drop("lease lost")

    def at(self, stage: str, percent: int) -> None:
        """Notes how far the work is; the next heartbeat says it. Raises Dropped where the Task is no longer ours."""
        self.check()
        self.stage, self.percent = stage, percent

    def drop(self, why: str) -> None:
        """Ends the work on the Task; nothing of it will be sent."""
        if self._dropped is None:
            self._dropped = why
            if self._work is not None and self._work is not asyncio.current_task():
                self._work.cancel()

    @property
    def dropped(self) -> str | None:
        """Why the Task is no longer ours; None: it is."""
        return self._dropped

    def check(self) -> None:
        """Raises Dropped where the Task is no longer ours."""
        if self._dropped is not None:
            raise Dropped(self._dropped)
