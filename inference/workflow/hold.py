"""A Task in this worker's hands, until it is finished, given back, or no longer ours."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from inference.errors import Dropped
from inference.workflow.task import TaskDocument


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
        if standing.cancelled:
            self.drop("cancelled")
        elif not standing.held:
            self.drop("lease lost")

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
