"""Which values a search parameter has: every token or uri that some resource of a type is found by."""

from __future__ import annotations

import sqlite3

from store.sqlite.matches import Sql
from store.sqlite.names import NO_SYSTEM, Kind, Names

COLUMNS = 2


def statement(
    connection: sqlite3.Connection, names: Names, type: str, param: str, limit: int
) -> Sql | None:
    """SELECT of code and number of system; None where there are none."""
    row = connection.execute(
        "SELECT id FROM param WHERE type = ? AND name = ? AND kind IN (?, ?)",
        (names.find(type), param, int(Kind.TOKEN), int(Kind.URI)),
    ).fetchone()
    if row is None:
        return None
    return Sql(
        "SELECT * FROM (SELECT DISTINCT code, system FROM term_entry WHERE pid = ? ORDER BY code, system LIMIT ?)",
        (row[0], limit),
    )


def rows(found: list[tuple[str, int]], names: Names) -> list[tuple[str | None, str]]:
    """(system, code) of each row."""
    return [(None if number == NO_SYSTEM else names.text(number), code) for code, number in found]
