# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""What a new version changes among the entry rows of resources that had some: most stay as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps
from typing import Any

from store.sqlite.inserts import insert
from store.sqlite.rows import Batch, EntryRows


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    keys: tuple[str, ...]
    among: str = ""
    """What more is said of the rows that are meant, where the table holds others, too."""


_TERM = ("rid", "pid", "code", "system")
_IDENTIFYING = _Table("term_entry", _TERM, " AND updated IS NULL")
_TERMS = _Table("term_entry", _TERM, " AND updated IS NOT NULL")
_TEXTS = _Table("text_entry", ("rid", "pid", "normalised", "exact"))
_DATES = _Table("date_entry", ("rid", "pid", "low", "high"))
_AMOUNTS = _Table("amount_entry", ("rid", "pid", "low", "high", "system", "code", "unit"))
_COMPOSITES = _Table(
    "composite_entry",
    (*_TERM, *("value2", "high2", "system2", "code2", "unit2"), *("low3", "high3")),
)


def write_identifying(connection: sqlite3.Connection, entries: EntryRows) -> None:
    """Makes those of ``entries`` that are written at once the identifying rows of their resources."""
    new: Sequence[tuple[Any, ...]] = tuple(entries.identifying)
    if entries.superseded:
        new = _replace(connection, _IDENTIFYING, new, dumps(entries.superseded))
    _insert(connection, _IDENTIFYING, _TERM, new)


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Makes the rows of the batch the other rows of their resources; those that identify are added."""
    _insert(connection, _IDENTIFYING, _TERM, batch.identifying)
    rows: tuple[tuple[_Table, Sequence[tuple[Any, ...]]], ...] = (
        (_TERMS, batch.terms),
        (_TEXTS, batch.texts),
        (_DATES, batch.dates),
        (_AMOUNTS, batch.amounts),
        (_COMPOSITES, batch.composites),
    )
    rids = dumps(batch.superseded)
    for table, given in rows:
        new = _replace(connection, table, given, rids) if batch.superseded else given
        columns = (*table.keys, "updated") if table is _TERMS else table.keys
        _insert(connection, table, columns, new)


def _insert(
    connection: sqlite3.Connection,
    table: _Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    insert(connection, f"INSERT INTO {table.name} ({', '.join(columns)})", rows)


def _replace(
    connection: sqlite3.Connection, table: _Table, new: Sequence[tuple[Any, ...]], rids: str
) -> Sequence[tuple[Any, ...]]:
    """Removes the rows that are no more; answers those that are not there yet."""
    among = f"rid IN (SELECT value FROM json_each(?)){table.among}"
    keys = ", ".join(table.keys)
    old = set(connection.execute(f"SELECT {keys} FROM {table.name} WHERE {among}", (rids,)))
    if not old:
        return new
    width = len(table.keys)
    gone = old.difference(row[:width] for row in new)
    if gone:
        this = " AND ".join(f"{key} = ?" for key in table.keys)
        connection.executemany(f"DELETE FROM {table.name} WHERE {this}", list(gone))
    if table is _TERMS and len(gone) < len(old):
        connection.execute(
            "UPDATE term_entry SET updated ="
            " (SELECT r.updated FROM resource r WHERE r.rid = term_entry.rid)"
            f" WHERE {among}",
            (rids,),
        )
    return [row for row in new if row[:width] not in old]
