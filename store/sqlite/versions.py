# ruff: noqa: S608 - column names are this module's own; every value is bound
"""Versions of resources by their keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from json import dumps

from store.interface import Version
from store.sqlite.matches import Sql
from store.sqlite.names import Names

_COLUMNS = "v.version, v.updated, v.method, v.content, v.blob"


def read(connection: sqlite3.Connection, names: Names, type: str, id: str) -> Version | None:
    """The current version, a deletion included."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM resource r CROSS JOIN version v ON v.sequence = r.sequence"
        " WHERE r.id = ? AND r.type = ?",
        (id, names.find(type)),
    ).fetchone()
    return None if row is None else Version(type, id, *row)


def many_statement(names: Names, type: str, ids: Sequence[str]) -> Sql:
    """SELECT of the current versions of those that are there: id, version, updated, method, content, blob."""
    return Sql(
        f"SELECT r.id, {_COLUMNS} FROM json_each(?) w"
        " CROSS JOIN resource r ON r.id = w.value AND r.type = ?"
        " CROSS JOIN version v ON v.sequence = r.sequence",
        (dumps(ids), names.find(type)),
    )


def read_version(
    connection: sqlite3.Connection, names: Names, type: str, id: str, version: int
) -> Version | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM resource r CROSS JOIN version v ON v.rid = r.rid AND v.version = ?"
        " WHERE r.id = ? AND r.type = ?",
        (version, id, names.find(type)),
    ).fetchone()
    return None if row is None else Version(type, id, *row)


def last_write(connection: sqlite3.Connection, names: Names, type: str) -> int:
    """The sequence of the last version of the type; 0: there is none."""
    row = connection.execute(
        "SELECT max(sequence) FROM version INDEXED BY version_type WHERE type = ?",
        (names.find(type),),
    ).fetchone()
    return int(row[0] or 0)


def names_blob(connection: sqlite3.Connection, sha256: str) -> bool:
    """Whether any version names the blob."""
    statement = "SELECT 1 FROM version_blob WHERE sha256 = ? LIMIT 1"
    return connection.execute(statement, (sha256,)).fetchone() is not None


def data_version(connection: sqlite3.Connection) -> int:
    """Another number after every commit of another connection."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
