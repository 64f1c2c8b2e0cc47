"""What an operation that runs as a job is given: how far it was, and whom to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from store.interface import Store

JOB_TYPE = "fhir:job"
"""An internal type (with a colon), which no route reaches and no history shows."""
MOST_PROGRESS = 100
"""Characters of X-Progress (https://hl7.org/fhir/R4/async.html)."""


class Cancelled(Exception):
    """The job is not this process's any more: it was cancelled, or another process has it."""


class Progress(msgspec.Struct, frozen=True):
    """How far a job is, as it is kept beside its queue entry."""

    text: str = ""
    checkpoint: str = ""


def progress_of(kept: bytes) -> Progress:
    return msgspec.json.decode(kept, type=Progress) if kept else Progress()


class Running:
    """One attempt at a job, in the process that holds its lease."""

    def __init__(
        self, store: Store, id: str, owner: str, lease_us: int, clock: Callable[[], int], kept: str
    ) -> None:
        self._store = store
        self._id = id
        self._owner = owner
        self._lease_us = lease_us
        self._clock = clock
        self.checkpoint = kept
        """What the last ``report`` left; '' at first."""

    async def report(self, text: str, *, checkpoint: str | None = None) -> None:
        """Tells the client how far it is (``12 of 400 resources``: no values), and where to go on after a crash.

        Raises:
            Cancelled: the answer is not wanted any more.
        """
        if checkpoint is not None:
            self.checkpoint = checkpoint
        assert text.isascii()
        assert text.isprintable()
        await self.hold(msgspec.json.encode(Progress(text[:MOST_PROGRESS], self.checkpoint)))

    async def hold(self, progress: bytes | None = None) -> None:
        """Renews the lease. Raises Cancelled where it is lost."""
        until_us = self._clock() + self._lease_us
        if not await self._store.renew_lease(JOB_TYPE, self._id, self._owner, until_us, progress):
            raise Cancelled
