# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""What a new version changes among the entry rows of resources that had some: most stay as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from json import dumps
from typing import Any

from store.sqlite.inserts import insert
from store.sqlite.rows import EntryRows

_KEYS = {
    "term_entry": ("rid", "pid", "code", "system"),
    "text_entry": ("rid", "pid", "normalised", "exact"),
    "date_entry": ("rid", "pid", "low", "high"),
    "amount_entry": ("rid", "pid", "low", "high", "system", "code", "unit"),
    "composite_entry": (
        *("rid", "pid", "code", "system"),
        *("value2", "high2", "system2", "code2", "unit2"),
        *("low3", "high3"),
    ),
}


def write(connection: sqlite3.Connection, entries: EntryRows, superseded: Sequence[int]) -> None:
    """Makes ``entries`` the rows of their resources. ``superseded``: those among them, or deleted, that had rows."""
    rows: dict[str, Sequence[tuple[Any, ...]]] = {
        "term_entry": tuple(entries.terms),
        "text_entry": tuple(entries.texts),
        "date_entry": tuple(entries.dates),
        "amount_entry": tuple(entries.amounts),
        "composite_entry": tuple(entries.composites),
    }
    rids = dumps(superseded)
    for table, keys in _KEYS.items():
        new = rows[table]
        if superseded:
            new = _replace(connection, table, keys, new, rids)
        columns = (*keys, "updated") if table == "term_entry" else keys
        insert(connection, f"INSERT INTO {table} ({', '.join(columns)})", new)


def _replace(
    connection: sqlite3.Connection,
    table: str,
    keys: tuple[str, ...],
    new: Sequence[tuple[Any, ...]],
    rids: str,
) -> Sequence[tuple[Any, ...]]:
    """Removes the rows that are no more; answers those that are not there yet."""
    among = "rid IN (SELECT value FROM json_each(?))"
    old = set(connection.execute(f"SELECT {', '.join(keys)} FROM {table} WHERE {among}", (rids,)))
    if not old:
        return new
    width = len(keys)
    gone = old.difference(row[:width] for row in new)
    if gone:
        this = " AND ".join(f"{key} = ?" for key in keys)
        connection.executemany(f"DELETE FROM {table} WHERE {this}", list(gone))
    if table == "term_entry" and len(gone) < len(old):
        connection.execute(
            "UPDATE term_entry SET updated ="
            " (SELECT r.updated FROM resource r WHERE r.rid = term_entry.rid)"
            f" WHERE {among} AND updated IS NOT NULL",
            (rids,),
        )
    return [row for row in new if row[:width] not in old]
