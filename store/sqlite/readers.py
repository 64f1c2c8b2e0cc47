# ruff: noqa: S608 - what is put together is this package's own SQL; every value is bound
"""Who runs a SELECT: the event loop itself while it is quick, a thread of the pool once it proves long.

A page that is read off an index takes about a hundred microseconds, less than handing it to a thread and back. A
statement that has used up its steps on the loop is broken off there and run again by the pool. Statements of that
shape then go to the pool directly, until one of them proves quick there.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar

from store.errors import SearchTooCostly
from store.query import Query
from store.sqlite.connections import connect, translated
from store.sqlite.matches import Sql
from store.sqlite.names import Names
from store.sqlite.plan import Probe

QUICK_STEPS = 80_000
"""Steps of SQLite's virtual machine that a SELECT may take on the event loop: two milliseconds or so."""

LONGEST_S = 30.0
"""A search that takes longer is broken off."""

_STEPS_BETWEEN_LOOKS = 4_000
_SHAPES_LIMIT = 500

P = ParamSpec("P")
T = TypeVar("T")
Rows = list[tuple[Any, ...]]


class Readers:
    def __init__(self, directory: Path, threads: int) -> None:
        self._directory = directory
        self._on_loop = _Counted(directory, cache_mib=16)
        self.connection = self._on_loop.connection
        """For reads on the event loop."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")
        self._of_thread = threading.local()
        self._in_pool: list[_Counted] = []
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
        counted = self._on_loop.fetch(count, QUICK_STEPS)
        return inf if counted is None else float(counted[0][0])

    async def fetch(self, statement: Sql) -> Rows:
        """The rows of a SELECT.

        Raises:
            SearchTooCostly: it ran for LONGEST_S.
            StoreUnavailable: the database cannot be read.
        """
        if statement.text not in self._long:
            quick_rows = self._on_loop.fetch(statement, QUICK_STEPS)
            if quick_rows is not None:
                return quick_rows
            if len(self._long) >= _SHAPES_LIMIT:
                self._long.clear()
            self._long.add(statement.text)
        loop = asyncio.get_running_loop()
        rows, quick = await loop.run_in_executor(self._pool, self._fetch_in_thread, statement)
        if quick:
            self._long.discard(statement.text)
        return rows

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for counted in (self._on_loop, *self._in_pool):
            counted.connection.close()

    def _fetch_in_thread(self, statement: Sql) -> tuple[Rows, bool]:
        counted: _Counted | None = getattr(self._of_thread, "counted", None)
        if counted is None:
            counted = self._of_thread.counted = _Counted(self._directory, cache_mib=8)
            self._in_pool.append(counted)
        rows = counted.fetch(statement, None)
        if rows is None:
            raise SearchTooCostly("the search took too long and was broken off")
        return rows, counted.steps <= QUICK_STEPS


class _Counted:
    """A connection that counts what a statement costs, and breaks it off."""

    def __init__(self, directory: Path, cache_mib: int) -> None:
        self.connection = connect(directory, cache_mib=cache_mib, read_only=True)
        self.connection.set_progress_handler(self._look, _STEPS_BETWEEN_LOOKS)
        self.steps = 0
        self._limit: int | None = None
        self._until = inf

    def fetch(self, statement: Sql, limit: int | None) -> Rows | None:
        """The rows; None where the statement was broken off after ``limit`` steps (None: after LONGEST_S)."""
        self.steps, self._limit, self._until = 0, limit, monotonic() + LONGEST_S
        try:
            return self.connection.execute(statement.text, statement.values).fetchall()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                return None
            raise translated(error) from error
        finally:
            self._limit, self._until = None, inf

    def _look(self) -> bool:
        self.steps += _STEPS_BETWEEN_LOOKS
        if self._limit is None:
            return monotonic() > self._until
        return self.steps > self._limit
