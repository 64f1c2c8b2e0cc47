"""From the journals and the outbox into the sink: at least once, and what comes twice is known by its id.

A row or line is given up only after the sink has its events on disk. Whose resources an access is about is asked of the very
versions that it names, which never change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from audit.access import Access, Target, decoded
from audit.balp import Event, events_of
from audit.journal_files import JournalFiles
from audit.sink import Sink
from store.errors import StoreError
from store.interface import Store

log = logging.getLogger(__name__)

TOPIC: Final = "audit"
"""Of the outbox rows that hold accesses."""
AT_ONCE: Final = 500
PAUSE_S: Final = 0.5
"""Between two looks when there is nothing."""
MOST_KNOWN: Final = 50_000

PatientsIn = Callable[[str, bytes], Sequence[str]]
"""From a type and the JSON of a resource of it: the ids of the Patients that it concerns."""


class Delivery:
    """One at a time for a deployment; a second one would only do the same again."""

    def __init__(
        self, store: Store, files: JournalFiles, sink: Sink, patients_in: PatientsIn
    ) -> None:
        self._store = store
        self._files = files
        self._sink = sink
        self._patients_in = patients_in
        self._patients: dict[tuple[str, str, int], tuple[str, ...]] = {}

    async def once(self) -> int:
        """Delivers what waits, up to a bound; answers how many accesses that were.

        Raises:
            StoreError: store or sink cannot now.
        """
        lines = self._files.pending(AT_ONCE)
        rows = await self._store.outbox(TOPIC, AT_ONCE)
        found = [(line.source, decoded(line.text)) for line in lines]
        found += [(row.outgoing.key, decoded(row.outgoing.payload)) for row in rows]
        accesses = [(source, access) for source, access in found if access is not None]
        if len(accesses) < len(found):
            log.warning("audit_lines_cut count=%d", len(found) - len(accesses))
        accesses.sort(key=lambda one: one[1].at_us)
        events: list[Event] = []
        for source, access in accesses:
            await self._look_up(access)
            events += events_of(access, source, self._patients_of)
        if events:
            await self._sink.deliver(events)
        self._files.delivered(lines)
        if rows:
            await self._store.outbox_done([row.sequence for row in rows])
        self._files.remove_done()
        return len(found)

    async def all(self) -> None:
        """Delivers until nothing waits."""
        while await self.once():
            pass

    async def keep_delivering(self) -> None:
        """Delivers until it is cancelled. What fails is tried again."""
        while True:
            try:
                done = await self.once()
            except StoreError as error:
                log.warning("audit delivery failed: %s", type(error).__name__)
                done = 0
            await asyncio.sleep(0 if done else PAUSE_S)

    async def _look_up(self, access: Access) -> None:
        for target in access.targets:
            key = _concerned(target)
            if key in self._patients:
                continue
            type, id, number = key
            version = (
                await self._store.read_version(type, id, number)
                if number
                else await self._store.read(type, id)
            )
            found = self._patients_in(type, version.content) if version and version.content else ()
            if len(self._patients) >= MOST_KNOWN:
                self._patients.clear()
            self._patients[key] = tuple(found)

    def _patients_of(self, target: Target) -> Sequence[str]:
        return self._patients.get(_concerned(target), ())


def _concerned(target: Target) -> tuple[str, str, int]:
    """The version that tells whose it is: what was deleted, not the deletion."""
    version = target.version - 1 if target.method == "DELETE" else target.version
    return target.type, target.id, version
