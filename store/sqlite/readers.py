"""Who runs a SELECT: the event loop itself while it is quick, a thread of the pool once it proves long.

A page that is read off an index takes about a hundred microseconds, less than handing it to a thread and back. A
statement that has used its time on the loop is broken off there and run again by the pool; statements of that shape
then go to the pool directly.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

from store.sqlite.conditions import Sql
from store.sqlite.connections import connect, unavailable

LOOP_S = 0.004
"""How long a SELECT may keep the event loop."""

_OPS_BETWEEN_LOOKS = 4_000
_SHAPES_LIMIT = 500

Rows = list[tuple[Any, ...]]


class Readers:
    def __init__(self, directory: Path, threads: int) -> None:
        self._directory = directory
        self.connection = connect(directory, cache_mib=16, read_only=True)
        """For reads on the event loop."""
        self._until = float("inf")
        self.connection.set_progress_handler(self._too_long, _OPS_BETWEEN_LOOKS)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")
        self._of_thread = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._long: set[str] = set()

    async def fetch(self, statement: Sql) -> Rows:
        if statement.text not in self._long:
            rows = self._quickly(statement)
            if rows is not None:
                return rows
            if len(self._long) >= _SHAPES_LIMIT:
                self._long.clear()
            self._long.add(statement.text)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._in_thread, statement)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in (self.connection, *self._opened):
            connection.close()

    def _quickly(self, statement: Sql) -> Rows | None:
        """The rows, or None where they take too long to find."""
        self._until = perf_counter() + LOOP_S
        try:
            return self.connection.execute(statement.text, statement.values).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname == "SQLITE_INTERRUPT":
                return None
            raise unavailable(error) from error
        except sqlite3.Error as error:
            raise unavailable(error) from error
        finally:
            self._until = float("inf")

    def _too_long(self) -> bool:
        return perf_counter() > self._until

    def _in_thread(self, statement: Sql) -> Rows:
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = connect(self._directory, cache_mib=8, read_only=True)
            self._of_thread.connection = connection
            self._opened.append(connection)
        try:
            return connection.execute(statement.text, statement.values).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error) from error
