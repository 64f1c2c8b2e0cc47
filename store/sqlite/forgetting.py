"""Removes for good what was deleted and has no history: records of a while, of which a busy day makes thousands."""

from __future__ import annotations

import sqlite3

from store.sqlite import pending
from store.sqlite.names import Names

_DELETED = """
SELECT rid, sequence FROM version INDEXED BY version_type
WHERE type = ? AND kept = 0 AND method = 'DELETE' AND updated < ?
    AND rid < (SELECT max(rid) FROM resource) AND sequence < (SELECT max(sequence) FROM version)
LIMIT ?
"""
"""The highest numbers stay: new ones are counted from there, and none is ever given twice."""


def forget(
    connection: sqlite3.Connection, names: Names, type: str, before_us: int, limit: int
) -> int:
    """Inside the writer's transaction."""
    rows = connection.execute(_DELETED, (names.find(type), before_us, limit)).fetchall()
    if rows:
        pending.merge(connection)  # what is pending may still speak of them
        connection.executemany("DELETE FROM resource WHERE rid = ? AND sequence = ?", rows)
        connection.executemany("DELETE FROM version WHERE rid = ? AND sequence = ?", rows)
    return len(rows)
