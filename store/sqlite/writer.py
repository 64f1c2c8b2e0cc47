"""The one thread that writes: whatever waits is committed together, with one fsync.

The first commit of a group begins the transaction; all that arrived while the group before was being written, by this
process or another, joins it. Under load the groups grow by themselves; a lone commit waits for nobody. What groups keep
pending (``pending.py``) is merged between them: when it is much, when nothing else is to be done, or when it is asked for.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty
from time import perf_counter
from typing import Any

from store.errors import StoreError, StoreUnavailable
from store.interface import Commit
from store.sqlite import pending
from store.sqlite.apply import Group
from store.sqlite.checkpoints import Checkpoints
from store.sqlite.connections import translated
from store.sqlite.demand import Demand
from store.sqlite.inbox import Inbox
from store.sqlite.names import Names
from store.sqlite.turn import Turn

GROUP_LIMIT = 256
"""At most so many commits in a group: the first of them should not wait for ever."""

PATIENCE_S = 0.002
"""At most so long, and half as long as the last group took, a group waits for commits that are likely to come."""

MOST_PENDING = 64
"""Resources whose entry rows a process keeps pending: more are hardly cheaper to merge, and commits wait for it."""

QUIET_S = 0.02
"""After so long without a commit what is pending is merged."""

Job = Callable[[sqlite3.Connection, Names], Any]
"""A small change that is no commit (a renewed lease, delivered outbox rows), run in a group's transaction."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    work: Commit | Job
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


def _merge(connection: sqlite3.Connection, _: Names) -> None:
    pending.merge(connection)


class Writer:
    """Owns the writing connection. ``submit`` is called on the event loop; the rest happens in the thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        checkpoints: Checkpoints,
        turn: Turn,
        demand: Demand,
        blob_exists: Callable[[str], bool],
        mark: Callable[[set[str]], None],
        written: Callable[[set[str]], None],
    ) -> None:
        """Both are called with the types that a group wrote: ``mark`` before anybody is told, ``written`` on the event loop
        after that.
        """
        self._connection = connection
        self._names = Names(connection)
        self._checkpoints = checkpoints
        self._turn = turn
        self._demand = demand
        self._pending = 1
        """Resources that this process keeps pending, more or less: one that was killed may have left some."""
        self._blob_exists = blob_exists
        self._mark = mark
        self._written = written
        self._waiting: Inbox[_Waiting | None] = Inbox()
        self._content_bytes = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Commit | Job) -> Any:  # noqa: ANN401 - a job answers what it likes
        if self._closed:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(work, future))
        return await future

    async def settle(self) -> None:
        """Merges what is pending; for a while nothing more is kept so."""
        self._demand.note()
        await self.submit(_merge)

    def close(self) -> None:
        """Writes what waits, then ends the thread and closes its connection."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        expected, patience_s = 1, 0.0
        try:
            while (group := self._next_group(expected, patience_s)) is not None:
                with self._turn:
                    self._join(group, 0, 0.0)
                    began = perf_counter()
                    types = self._write(group)
                    self._mark(types)
                patience_s = min((perf_counter() - began) / 2, PATIENCE_S)
                expected = len(group) + len(self._waiting)
                self._answer(group, types)
                if self._pending >= MOST_PENDING:
                    self._merge()
                self._checkpoints.after_group(self._content_bytes)
                self._content_bytes = 0
        finally:
            if self._pending:
                self._merge()
            self._checkpoints.close()
            self._connection.close()

    def _next_group(self, expected: int, patience_s: float) -> list[_Waiting] | None:
        first = self._first()
        if first is None:
            return None
        group = [first]
        self._join(group, expected, patience_s)
        return group

    def _first(self) -> _Waiting | None:
        if self._pending:
            try:
                return self._waiting.get_within(QUIET_S)
            except Empty:
                self._merge()
        return self._waiting.get()

    def _merge(self) -> None:
        """What cannot be merged now stays pending, and a search will ask for it."""
        self._pending = 0
        connection = self._connection
        try:
            with self._turn:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    pending.merge(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            _log.warning("merge failed: %s", getattr(error, "sqlite_errorname", "unknown"))

    def _join(self, group: list[_Waiting], expected: int, patience_s: float) -> None:
        """Adds what waits now; for as many as were just answered, who are likely to come back, it waits a little."""
        until = perf_counter() + patience_s
        while len(group) < GROUP_LIMIT:
            try:
                patience_left_s = until - perf_counter() if len(group) < expected else 0.0
                waiting = self._waiting.get_within(patience_left_s)
            except Empty:
                break
            if waiting is None:
                self._waiting.put(None)
                break
            group.append(waiting)

    def _write(self, group: list[_Waiting]) -> set[str]:
        types, error = self._transaction(group)
        if error is None:
            return types
        if len(group) == 1:
            group[0].error = error
            return set()
        # Something that no check foresaw: the disk is full, or a value that cannot be stored. Each on its own.
        types = set()
        for waiting in group:
            waiting.error = None
            types |= self._write([waiting])
        return types

    def _transaction(self, group: list[_Waiting]) -> tuple[set[str], Exception | None]:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                applied = Group(
                    connection, self._names, self._blob_exists, entries_wait=not self._demand
                )
                applied.prefetch([w.work for w in group if isinstance(w.work, Commit)])
                for waiting in group:
                    self._apply(applied, waiting)
                applied.flush()
                connection.execute("COMMIT")
            except BaseException:
                self._names.rolled_back()
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            return set(), translated(error)
        except Exception as error:  # noqa: BLE001 - told to whoever waits; the thread lives on
            return set(), error
        self._names.committed()
        self._content_bytes += applied.content_bytes
        self._pending += applied.pending
        return applied.types, None

    def _apply(self, group: Group, waiting: _Waiting) -> None:
        if not isinstance(waiting.work, Commit):
            group.flush()
            waiting.result = waiting.work(self._connection, self._names)
            return
        try:
            group.apply(waiting.work)
        except StoreError as error:
            waiting.error = error

    def _answer(self, group: list[_Waiting], types: set[str]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        for waiting in group:
            by_loop.setdefault(waiting.future.get_loop(), []).append(waiting)
        for loop, answered in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._resolve, answered, types)
            except RuntimeError:  # The loop is closed: nobody waits any more.
                continue

    def _resolve(self, answered: list[_Waiting], types: set[str]) -> None:
        for waiting in answered:
            if waiting.future.done():
                continue
            if waiting.error is not None:
                waiting.future.set_exception(waiting.error)
            else:
                waiting.future.set_result(waiting.result)
        if types:
            self._written(types)
