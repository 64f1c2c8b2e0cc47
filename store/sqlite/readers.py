# ruff: noqa: S608 - what is put together is this package's own SQL; every value is bound
"""Who runs a SELECT: the event loop itself while it is quick, a thread once it proves long, one thread if it is slow.

A page that is read off an index takes about a hundred microseconds, less than handing it to a thread and back. A
statement that has used up its steps on the loop is broken off there and run again by a thread; one that has used up
its steps there, too, is broken off again and run by the thread for slow ones, until it ends or its time is over. So
the quick wait for nobody, those that take a moment wait for others of their kind alone, and the slow, however many,
take one processor at most, and that only while nobody else wants it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar

from store.errors import PageTooLarge, SearchTooCostly, TooManySearches
from store.query import Query
from store.sqlite.connections import connect, translated
from store.sqlite.matches import Sql
from store.sqlite.names import Names
from store.sqlite.plan import Probe

QUICK_STEPS = 80_000
"""Steps of SQLite's virtual machine that a SELECT may take on the event loop: two milliseconds or so."""

MEDIUM_STEPS = 4_000_000
"""Steps that it may take in a thread which others of its kind wait for: a tenth of a second or so."""

MOST_SLOW = 16
"""Slow searches that run or wait; one more is refused."""

NICENESS = 10
"""Of the thread for slow searches."""

MOST_BYTES = 256 << 20
"""Content that the rows of one SELECT may hold in memory."""

LOOP_LOOK = 4_000
THREAD_LOOK = 40_000
"""Steps after which it is looked whether a statement may go on; each look takes the interpreter from somebody."""

_SHAPES_LIMIT = 500

P = ParamSpec("P")
T = TypeVar("T")
Rows = list[tuple[Any, ...]]


class Readers:
    def __init__(self, directory: Path, threads: int, limit_s: float) -> None:
        """``limit_s``: how long a slow SELECT may take, waiting included."""
        self._on_loop = _Bounded(directory, cache_mib=16, look=LOOP_LOOK)
        self.connection = self._on_loop.connection
        """For reads on the event loop."""
        self._medium = _Lane(directory, threads, "store-reader")
        self._slow = _Lane(directory, 1, "store-slow-reader", _give_way)
        self._slow_count = 0
        self._limit_s = limit_s
        self._long: set[str] = set()

    def run(
        self,
        call: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Something quick, on the event loop: ``call(connection, …)``.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        try:
            return call(self.connection, *args, **kwargs)
        except sqlite3.Error as error:
            raise translated(error) from error

    def planned(
        self, plan: Callable[[Names, Query, Probe], Sql], names: Names, query: Query
    ) -> Sql:
        """The SELECT that answers a query. What the plan asks the database is quick or broken off.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        try:
            return plan(names, query, self._probe)
        except sqlite3.Error as error:
            raise translated(error) from error

    def _probe(self, rows: Sql) -> float:
        count = Sql(f"SELECT count(*) FROM ({rows.text})", rows.values)
        counted = self._on_loop.fetch(count, _Bound(QUICK_STEPS))
        return inf if counted is None else float(counted[0][0])

    async def fetch(self, statement: Sql, content: int | None = None) -> Rows:
        """The rows of a SELECT; ``content`` is the column, if any, whose bytes are counted.

        Raises:
            SearchTooCostly: its time was over.
            PageTooLarge: the rows hold more than MOST_BYTES of content.
            TooManySearches: too many slow ones wait already.
            StoreUnavailable: the database cannot be read.
        """
        until = monotonic() + self._limit_s
        if statement.text not in self._long:
            quick_rows = self._on_loop.fetch(statement, _Bound(QUICK_STEPS, content=content))
            if quick_rows is not None:
                return quick_rows
            if len(self._long) >= _SHAPES_LIMIT:
                self._long.clear()
            self._long.add(statement.text)
        bound = _Bound(MEDIUM_STEPS, content=content)
        rows = await self._medium.fetch(statement, bound)
        if rows is None:
            return await self._fetch_slowly(statement, _Bound(until=until, content=content))
        if bound.taken <= QUICK_STEPS:
            self._long.discard(statement.text)
        return rows

    async def _fetch_slowly(self, statement: Sql, bound: _Bound) -> Rows:
        if self._slow_count >= MOST_SLOW:
            raise TooManySearches("other slow searches wait already")
        self._slow_count += 1
        try:
            rows = await self._slow.fetch(statement, bound)
        finally:
            self._slow_count -= 1
        if rows is None:
            raise SearchTooCostly("the search took too long and was broken off")
        return rows

    def close(self) -> None:
        self._medium.close()
        self._slow.close()
        self._on_loop.connection.close()


@dataclass(slots=True)
class _Bound:
    """When a statement is broken off: after so many steps, or at a time (of ``monotonic``)."""

    steps: int | None = None
    until: float = inf
    content: int | None = None
    taken: int = 0


def _give_way() -> None:
    """From here on the thread comes after all others. Linux takes a thread for a process here; elsewhere nothing is done."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class _Lane:
    """Threads with a connection each."""

    def __init__(
        self, directory: Path, threads: int, name: str, start: Callable[[], None] | None = None
    ) -> None:
        self._directory = directory
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=start)
        self._of_thread = threading.local()
        self._readers: list[_Bounded] = []

    async def fetch(self, statement: Sql, bound: _Bound) -> Rows | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._fetch, statement, bound)
        except asyncio.CancelledError:
            bound.until = -inf  # nobody waits for the rows any more
            raise

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for reader in self._readers:
            reader.connection.close()

    def _fetch(self, statement: Sql, bound: _Bound) -> Rows | None:
        reader: _Bounded | None = getattr(self._of_thread, "reader", None)
        if reader is None:
            reader = _Bounded(self._directory, cache_mib=8, look=THREAD_LOOK)
            self._of_thread.reader = reader
            self._readers.append(reader)
        # It may have waited for its turn longer than it may take.
        return reader.fetch(statement, bound) if monotonic() <= bound.until else None


def _bounded(cursor: sqlite3.Cursor, content: int) -> Rows:
    rows: Rows = []
    held = 0
    for row in cursor:
        held += len(row[content])
        if held > MOST_BYTES:
            raise PageTooLarge("the page holds too many bytes")
        rows.append(row)
    return rows


class _Bounded:
    """A connection whose statements are broken off at their bound."""

    def __init__(self, directory: Path, *, cache_mib: int, look: int) -> None:
        self.connection = connect(directory, cache_mib=cache_mib, read_only=True)
        self.connection.set_progress_handler(self._look, look)
        self._steps = look
        self._bound = _Bound()

    def fetch(self, statement: Sql, bound: _Bound) -> Rows | None:
        """The rows; None where the statement was broken off."""
        self._bound = bound
        try:
            rows = self.connection.execute(statement.text, statement.values)
            return rows.fetchall() if bound.content is None else _bounded(rows, bound.content)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                return None
            raise translated(error) from error
        finally:
            self._bound = _Bound()

    def _look(self) -> bool:
        bound = self._bound
        bound.taken += self._steps
        if bound.steps is not None and bound.taken > bound.steps:
            return True
        return bound.until < inf and monotonic() > bound.until
