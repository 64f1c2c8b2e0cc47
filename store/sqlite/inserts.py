# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""Many rows in one statement.

Python gives its lock away twice for each statement it runs, and a busy event loop is slow to give it back: what a
group of commits costs is the number of its statements. So one statement writes all rows of a table, in one of a few
sizes (a statement's text stays the same and prepared); what is left over is filled with rows of NULL and filtered out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

_SIZES = (1, 4, 16, 32, 64, 128, 256)


def insert(
    connection: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]], tail: str = ""
) -> None:
    """``into`` is the statement up to its rows; ``tail`` follows them (ON CONFLICT …). No first value is None."""
    for at in range(0, len(rows), _SIZES[-1]):
        chunk = rows[at : at + _SIZES[-1]]
        columns = len(chunk[0])
        size = next(size for size in _SIZES if size >= len(chunk))
        values = [*chain.from_iterable(chunk), *[None] * (columns * (size - len(chunk)))]
        connection.execute(_statement(into, columns, size, tail), values)


@cache
def _statement(into: str, columns: int, rows: int, tail: str) -> str:
    row = f"({', '.join('?' * columns)})"
    if rows == 1:
        return f"{into} VALUES {row} {tail}"
    values = ", ".join([row] * rows)
    return f"{into} SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL {tail}"
