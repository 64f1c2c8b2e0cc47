"""Tells who wants to know which stored definitions changed (StructureDefinition, SearchParameter, …).

Each API process has one. What this process commits, its listeners know before the answer goes out; what another
process commits, they know within ``POLL_S``: a look costs one index entry a type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from store.errors import StoreError
from store.interface import Commit, HistoryQuery, Store, Version
from store.query import Query

log = structlog.get_logger(__name__)

POLL_S: Final = 0.5
_PAGE: Final = 50

Listener = Callable[[Sequence[Version]], None]
"""Takes the newest version of each resource that changed, deletions too, in the order of their commits. It must be
quick, and may be told the same version twice.
"""


class Watcher:
    """Follows the types that its listeners want. Used on one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: dict[str, list[Listener]] = {}
        self._seen: dict[str, int] = {}
        """Type → place in the order of commits up to which its listeners have been told."""
        self._turn = asyncio.Lock()

    def listen(self, types: Iterable[str], listener: Listener) -> None:
        """Calls ``listener`` for every change of these types, and at ``start`` with all that is stored."""
        for type in types:
            self._listeners.setdefault(type, []).append(listener)

    async def start(self) -> None:
        """Tells the listeners what is stored."""
        for type, listeners in self._listeners.items():
            seen = await self._store.last_write(type)
            query = Query(type, limit=_PAGE)
            more = seen > 0
            while more:
                page = await self._store.search(query)
                for listener in listeners:
                    listener([hit.version for hit in page.hits])
                more = page.more
                if more:
                    query = Query(type, after=page.hits[-1].cursor, limit=_PAGE)
            self._seen[type] = seen

    async def committed(self, commit: Commit) -> None:
        """Tells the listeners of what this process has just committed; returns when they know."""
        if not self._listeners.keys().isdisjoint([write.type for write in commit.writes]):
            await self._look_if_possible()

    async def look(self) -> None:
        """Tells the listeners what has changed since they were told last, by whichever process."""
        async with self._turn:
            for type, listeners in self._listeners.items():
                seen = self._seen.get(type, 0)
                newest = await self._store.last_write(type)
                if newest > seen:
                    changed = await self._changed(type, seen)
                    self._seen[type] = newest
                    for listener in listeners:
                        listener(changed)

    async def keep_watching(self) -> None:
        """Looks again and again. Cancelled at the end."""
        while True:
            await asyncio.sleep(POLL_S)
            await self._look_if_possible()

    async def _look_if_possible(self) -> None:
        try:
            await self.look()
        except StoreError as error:  # the next look finds what this one did not
            log.warning("definitions_not_watched", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - what is committed is committed, and watching goes on
            log.warning("definitions_not_taken_in", error=type(error).__name__)

    async def _changed(self, type: str, seen: int) -> list[Version]:
        newest: dict[str, Version] = {}
        before: int | None = None
        while True:
            rows = await self._store.history(
                HistoryQuery(types=(type,), before_sequence=before, limit=_PAGE)
            )
            for row in rows:
                if row.sequence > seen:
                    newest.setdefault(row.version.id, row.version)
            if len(rows) < _PAGE or rows[-1].sequence <= seen:
                return list(reversed(newest.values()))
            before = rows[-1].sequence
