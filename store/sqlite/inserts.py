"""Many rows in one statement: each statement gives the interpreter lock away once, whatever its number of rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

_SIZES = (64, 16, 4, 1)


def insert(
    connection: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]], tail: str = ""
) -> None:
    """``into`` is the statement up to VALUES; ``tail`` follows the rows (ON CONFLICT …)."""
    at = 0
    for size in _SIZES:
        while len(rows) - at >= size:
            chunk = rows[at : at + size]
            statement = _statement(into, len(chunk[0]), size, tail)
            connection.execute(statement, tuple(chain.from_iterable(chunk)))
            at += size


@cache
def _statement(into: str, columns: int, rows: int, tail: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{into} VALUES {', '.join([row] * rows)} {tail}"
