"""SqliteStore: the embedded backend of ``store.interface.Store``."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self

from store.errors import SearchTooCostly, StoreUnavailable
from store.files import FileBlobs, sync_folder
from store.interface import (
    Commit,
    HistoryQuery,
    HistoryRow,
    OutboxRow,
    Page,
    QueueEntry,
    Reindexed,
    Version,
)
from store.query import Query
from store.sqlite import (
    forgetting,
    history,
    outbox,
    pending,
    queue,
    reindexing,
    search,
    versions,
    vocabulary,
)
from store.sqlite.changes import Changes
from store.sqlite.checkpoints import Checkpoints
from store.sqlite.connections import connect, translated
from store.sqlite.demand import Demand
from store.sqlite.marks import Marks
from store.sqlite.matches import Sql
from store.sqlite.names import Names
from store.sqlite.readers import Readers, Rows
from store.sqlite.schema import prepare
from store.sqlite.turn import Turn
from store.sqlite.writer import Writer

_MOST_SETTLED = 10
"""Nothing is kept pending for a while after each, so a search that needs a second is rare."""


class SqliteStore:
    """Opened once in each process of a deployment; any number of processes share a data directory.

    Its methods are called on one event loop. Reads of single resources run right there; they take microseconds.
    """

    def __init__(self, directory: Path, readers: int, search_limit_s: float) -> None:
        """Use ``SqliteStore.open``."""
        writing = connect(directory, cache_mib=48, read_only=False)
        try:
            prepare(writing)
            self._readers = Readers(directory, readers, search_limit_s)
        except sqlite3.Error as error:
            writing.close()
            raise translated(error) from error
        except BaseException:
            writing.close()
            raise
        self._closed = False
        self._names = Names(self._readers.connection)
        self._changes = Changes(self._data_version, self._last_write)
        self._turn = Turn(directory / "write.lock")
        self._demand = Demand(directory / "index.wanted")
        self._marks = Marks(directory / "marks")
        self.blobs = FileBlobs(directory / "blobs", self._remove_unnamed)
        self._writer = Writer(
            writing,
            Checkpoints(directory, writing),
            self._turn,
            self._demand,
            self.blobs.exists,
            self._marks.changed,
            self._changes.written,
        )

    @classmethod
    def open(cls, data_dir: Path, *, readers: int = 2, search_limit_s: float = 10.0) -> Self:
        """Opens (or makes) the store in ``data_dir``.

        Args:
            data_dir: for this store alone.
            readers: threads for searches that take a moment; the slow ones have one of their own.
            search_limit_s: how long a search may take.

        Raises:
            StoreUnavailable: the directory or the database cannot be used; the message says why.
        """
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            store = cls(data_dir, readers, search_limit_s)
            sync_folder(data_dir)
            sync_folder(data_dir.parent)
        except OSError as error:
            raise StoreUnavailable(
                f"the data directory cannot be used: {error.strerror}"
            ) from error
        return store

    async def close(self) -> None:
        """Writes what waits; after that the store is unavailable. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._changes.close()
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._readers.close)
        self._turn.close()
        self._demand.close()
        self._marks.close()
        self.blobs.close()

    async def commit(self, commit: Commit) -> None:
        await self._writer.submit(commit)

    async def read(self, type: str, id: str) -> Version | None:
        return self._readers.run(versions.read, self._names, type, id)

    async def read_many(self, keys: Sequence[tuple[str, str]]) -> list[Version | None]:
        by_type: dict[str, list[str]] = {}
        for type, id in keys:
            by_type.setdefault(type, []).append(id)
        found: dict[tuple[str, str], Version] = {}
        for type, ids in by_type.items():
            statement = versions.many_statement(self._names, type, ids)
            for id, *rest in await self._readers.fetch(statement):
                found[type, id] = Version(type, id, *rest)
        return [found.get(key) for key in keys]

    async def read_version(self, type: str, id: str, version: int) -> Version | None:
        return self._readers.run(versions.read_version, self._names, type, id, version)

    async def search(self, query: Query) -> Page:
        if self._is_new(query.type):
            return Page((), more=False)
        statement = self._readers.planned(search.page_statement, self._names, query)
        types = pending.indexed_types(self._names, query)
        columns = search.COLUMNS + len(query.sort)
        rows = await self._fetch_settled(statement, columns, types, search.CONTENT)
        return search.page(query, rows)

    async def count(self, query: Query) -> int:
        if self._is_new(query.type):
            return 0
        statement = self._readers.planned(search.count_statement, self._names, query)
        types = pending.indexed_types(self._names, query)
        return int((await self._fetch_settled(statement, 1, types))[0][0])

    async def vocabulary(self, type: str, param: str, limit: int) -> list[tuple[str | None, str]]:
        statement = self._readers.run(vocabulary.statement, self._names, type, param, limit)
        if statement is None:
            return []
        rows = await self._fetch_settled(statement, vocabulary.COLUMNS, {type})
        return vocabulary.rows(rows, self._names)

    async def outdated(self, type: str, edition: str, limit: int) -> list[Version]:
        return self._readers.run(reindexing.outdated, self._names, type, edition, limit)

    async def count_outdated(self, type: str, edition: str, at_most: int) -> int:
        statement = reindexing.count_statement(self._names, type, edition, at_most)
        return int((await self._readers.fetch(statement))[0][0])

    async def reindex(self, resources: Sequence[Reindexed]) -> int:
        return int(await self._writer.submit(partial(reindexing.reindex, resources=resources)))

    async def forget(self, type: str, before_us: int, limit: int) -> int:
        job = partial(forgetting.forget, type=type, before_us=before_us, limit=limit)
        return int(await self._writer.submit(job))

    async def history(self, query: HistoryQuery) -> list[HistoryRow]:
        statement = self._readers.run(history.page_statement, self._names, query)
        return history.rows(await self._readers.fetch(statement, history.CONTENT), self._names)

    async def history_count(self, query: HistoryQuery) -> int:
        statement = self._readers.run(history.count_statement, self._names, query)
        return int((await self._readers.fetch(statement))[0][0])

    async def next_ready(
        self, type: str, topics: Sequence[str], now_us: int, limit: int = 1
    ) -> list[QueueEntry]:
        return self._readers.run(queue.next_ready, self._names, type, topics, now_us, limit)

    async def queue_entry(self, type: str, id: str) -> QueueEntry | None:
        return (await self.queue_entries(type, [id])).get(id)

    async def queue_entries(self, type: str, ids: Sequence[str]) -> dict[str, QueueEntry]:
        return self._readers.run(queue.entries, self._names, type, ids)

    async def expired_leases(self, type: str, now_us: int, limit: int = 100) -> list[QueueEntry]:
        return self._readers.run(queue.expired, self._names, type, now_us, limit)

    async def renew_lease(
        self, type: str, id: str, owner: str, lease_expires_at_us: int, progress: bytes | None
    ) -> bool:
        job = partial(
            queue.renew,
            type=type,
            id=id,
            owner=owner,
            expires_us=lease_expires_at_us,
            progress=progress,
        )
        return bool(await self._writer.submit(job))

    async def queue_depth(self, type: str) -> dict[int, int]:
        return self._readers.run(queue.depth, self._names, type)

    async def last_write(self, type: str) -> int:
        return self._last_write(type)

    def mark(self, type: str) -> bytes:
        return self._marks.of(type)

    async def wait_for_change(
        self, type: str, timeout_s: float, *, since: int | None = None
    ) -> None:
        await self._changes.wait(type, timeout_s, since)

    async def outbox(self, topic: str, limit: int = 100) -> list[OutboxRow]:
        return self._readers.run(outbox.undelivered, topic, limit)

    async def outbox_done(self, sequences: Sequence[int]) -> None:
        await self._writer.submit(partial(outbox.remove, sequences=sequences))

    async def _fetch_settled(
        self, statement: Sql, columns: int, types: set[str], content: int | None = None
    ) -> Rows:
        """The rows as they are when nothing of the types is pending in the snapshot that they are read from."""
        marking = pending.marking(self._names, statement, columns, types)
        for _ in range(_MOST_SETTLED):
            rows = await self._readers.fetch(marking, content)
            if not rows or rows[0][0] != pending.MARK:
                return rows
            await self._writer.settle()
        raise SearchTooCostly("others wrote faster than the search could be answered")

    def _is_new(self, type: str) -> bool:
        """Whether no resource of the type was ever stored: a search of all types asks for many such."""
        return self._readers.run(lambda _: self._names.find(type)) is None

    def _data_version(self) -> int:
        return self._readers.run(versions.data_version)

    def _last_write(self, type: str) -> int:
        return self._readers.run(versions.last_write, self._names, type)

    async def _remove_unnamed(self, candidates: list[str], older_than_us: int) -> int:
        """Removes those blobs that no version names, while nothing can be committed that would."""

        def remove(connection: sqlite3.Connection, _: Names) -> int:
            unnamed = [sha for sha in candidates if not versions.names_blob(connection, sha)]
            return self.blobs.remove(unnamed, older_than_us)

        return int(await self._writer.submit(remove))
