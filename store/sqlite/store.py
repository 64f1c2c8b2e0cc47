"""SqliteStore: the embedded backend of ``store.interface.Store``."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from store.errors import StoreUnavailable
from store.files import FileBlobs
from store.interface import (
    Commit,
    HistoryQuery,
    HistoryRow,
    OutboxRow,
    Outgoing,
    Page,
    QueueEntry,
    Version,
)
from store.query import Query
from store.sqlite import history, queue, search
from store.sqlite.changes import Changes
from store.sqlite.checkpoints import Checkpoints
from store.sqlite.conditions import Compiler
from store.sqlite.connections import connect, translated
from store.sqlite.names import Names
from store.sqlite.readers import Readers
from store.sqlite.schema import prepare
from store.sqlite.turn import Turn
from store.sqlite.writer import Writer

_VERSION = (
    "SELECT v.version, v.updated, v.method, v.content, v.blob"
    " FROM resource r CROSS JOIN version v ON {join} WHERE r.id = ? AND r.type = ?"
)
_READ = _VERSION.format(join="v.sequence = r.sequence")
_READ_VERSION = _VERSION.format(join="v.rid = r.rid AND v.version = ?")


class SqliteStore:
    """Opened once in each process of a deployment; any number of processes share a data directory.

    Its methods are called on one event loop. Reads of single resources run right there; they take microseconds.
    """

    def __init__(self, directory: Path, readers: int) -> None:
        """Use ``SqliteStore.open``."""
        writing = connect(directory, cache_mib=48, read_only=False)
        try:
            prepare(writing)
            self._readers = Readers(directory, readers)
        except sqlite3.Error as error:
            writing.close()
            raise translated(error) from error
        except BaseException:
            writing.close()
            raise
        self._connection = self._readers.connection
        self._closed = False
        self._names = Names(self._connection)
        self._changes = Changes(self._data_version, self._last_write)
        self._turn = Turn(directory / "write.lock")
        self.blobs = FileBlobs(directory / "blobs", self._remove_unnamed)
        self._writer = Writer(
            writing,
            Checkpoints(directory, writing),
            self._turn,
            self.blobs.exists,
            self._changes.written,
        )

    @classmethod
    def open(cls, data_dir: Path, *, readers: int = 2) -> Self:
        """Opens (or makes) the store in ``data_dir``. ``readers``: threads for searches that take long.

        Raises:
            StoreUnavailable: the directory or the database cannot be used; the message says why.
        """
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            return cls(data_dir, readers)
        except OSError as error:
            raise StoreUnavailable(
                f"the data directory cannot be used: {error.strerror}"
            ) from error

    async def close(self) -> None:
        """Writes what waits; after that the store is unavailable. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._changes.close()
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._readers.close)
        self._turn.close()
        self.blobs.close()

    async def commit(self, commit: Commit) -> None:
        await self._writer.submit(commit)

    async def read(self, type: str, id: str) -> Version | None:
        number = self._names.find(type)
        row = self._one(_READ, (id, number))
        return None if row is None else Version(type, id, *row)

    async def read_many(self, keys: Sequence[tuple[str, str]]) -> list[Version | None]:
        return [await self.read(type, id) for type, id in keys]

    async def read_version(self, type: str, id: str, version: int) -> Version | None:
        row = self._one(_READ_VERSION, (version, id, self._names.find(type)))
        return None if row is None else Version(type, id, *row)

    async def search(self, query: Query) -> Page:
        compiler = Compiler(self._names, query.type)
        statement = search.page_statement(query, compiler, search.prober(self._connection))
        return search.page(query, await self._readers.fetch(statement))

    async def count(self, query: Query) -> int:
        compiler = Compiler(self._names, query.type)
        statement = search.count_statement(query, compiler, search.prober(self._connection))
        return int((await self._readers.fetch(statement))[0][0])

    async def history(self, query: HistoryQuery) -> list[HistoryRow]:
        fetched = await self._readers.fetch(history.page_statement(query, self._names))
        return history.rows(fetched, self._names)

    async def history_count(self, query: HistoryQuery) -> int:
        statement = history.count_statement(query, self._names)
        return int((await self._readers.fetch(statement))[0][0])

    async def next_ready(
        self, type: str, topics: Sequence[str], now_us: int, limit: int = 1
    ) -> list[QueueEntry]:
        number = self._names.find(type)
        if number is None:
            return []
        return queue.next_ready(self._connection, type, number, topics, now_us, limit)

    async def queue_entry(self, type: str, id: str) -> QueueEntry | None:
        return (await self.queue_entries(type, [id])).get(id)

    async def queue_entries(self, type: str, ids: Sequence[str]) -> dict[str, QueueEntry]:
        number = self._names.find(type)
        return {} if number is None else queue.entries(self._connection, type, number, ids)

    async def expired_leases(self, type: str, now_us: int, limit: int = 100) -> list[QueueEntry]:
        number = self._names.find(type)
        return (
            [] if number is None else queue.expired(self._connection, type, number, now_us, limit)
        )

    async def renew_lease(
        self, type: str, id: str, owner: str, lease_expires_at_us: int, progress: bytes | None
    ) -> bool:
        def renew(connection: sqlite3.Connection, names: Names) -> bool:
            number = names.find(type)
            return number is not None and queue.renew(
                connection, number, id, owner, lease_expires_at_us, progress
            )

        return bool(await self._writer.submit(renew))

    async def queue_depth(self, type: str) -> dict[int, int]:
        number = self._names.find(type)
        return {} if number is None else queue.depth(self._connection, number)

    async def wait_for_change(self, type: str, timeout_s: float) -> None:
        await self._changes.wait(type, timeout_s)

    async def outbox(self, topic: str, limit: int = 100) -> list[OutboxRow]:
        rows = self._connection.execute(
            "SELECT sequence, topic, payload, key FROM outbox WHERE topic = ? ORDER BY sequence LIMIT ?",
            (topic, limit),
        ).fetchall()
        return [OutboxRow(sequence, Outgoing(*rest)) for sequence, *rest in rows]

    async def outbox_done(self, sequences: Sequence[int]) -> None:
        def remove(connection: sqlite3.Connection, _: Names) -> None:
            connection.executemany(
                "DELETE FROM outbox WHERE sequence = ?", [(sequence,) for sequence in sequences]
            )

        await self._writer.submit(remove)

    def _one(self, statement: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise translated(error) from error
        return row

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _last_write(self, type: str) -> int:
        row = self._connection.execute(
            "SELECT max(sequence) FROM version WHERE type = ?", (self._names.find(type),)
        ).fetchone()
        return int(row[0] or 0)

    async def _remove_unnamed(self, candidates: list[str]) -> int:
        """Removes those blobs that no version names, while nothing can be committed that would."""

        def remove(connection: sqlite3.Connection, _: Names) -> int:
            unnamed = [
                sha256
                for sha256 in candidates
                if connection.execute(
                    "SELECT 1 FROM version_blob WHERE sha256 = ? LIMIT 1", (sha256,)
                ).fetchone()
                is None
            ]
            return self.blobs.remove(unnamed)

        return int(await self._writer.submit(remove))
