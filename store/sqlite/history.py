# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""History: versions in the store-wide order of commits, newest first."""

from __future__ import annotations

import sqlite3

from store.interface import HistoryQuery, HistoryRow, Version
from store.sqlite.matches import Sql
from store.sqlite.names import Names

SHORT = 5_000
CONTENT = 6
"""The column of a page's statement that holds the content."""


def page_statement(connection: sqlite3.Connection, names: Names, query: HistoryQuery) -> Sql:
    source = _source(connection, names, query)
    return Sql(
        "SELECT v.sequence, v.type, r.id, v.version, v.updated, v.method, v.content, v.blob"
        f" FROM {source.text} ORDER BY v.sequence DESC LIMIT ?",
        (*source.values, query.limit),
    )


def count_statement(connection: sqlite3.Connection, names: Names, query: HistoryQuery) -> Sql:
    source = _source(connection, names, query)
    return Sql(f"SELECT count(*) FROM {source.text}", source.values)


def rows(fetched: list[tuple[object, ...]], names: Names) -> list[HistoryRow]:
    return [
        HistoryRow(Version(names.text(type), *rest), sequence)  # type: ignore[arg-type]
        for sequence, type, *rest in fetched
    ]


def _source(connection: sqlite3.Connection, names: Names, query: HistoryQuery) -> Sql:
    """FROM and WHERE. The indexes have versions in the order of commits: of one type, or of all that keep history."""
    where = [Sql("v.kept = 1")]
    numbers = [names.find(type) for type in query.types]
    if query.types:
        where.append(Sql(f"v.type IN ({', '.join('?' * len(numbers))})", tuple(numbers)))
    period = _period(query)
    where += period
    if query.before_sequence is not None:
        where.append(Sql("v.sequence < ?", (query.before_sequence,)))
    if query.id is not None:
        where.append(Sql("r.id = ?", (query.id,)))
        tables = "resource r CROSS JOIN version v INDEXED BY version_resource ON v.rid = r.rid"
    else:
        index = "version_type" if len(numbers) == 1 else "version_kept"
        if period and _is_short(connection, period):
            index = "version_updated"
        tables = f"version v INDEXED BY {index} CROSS JOIN resource r ON r.rid = v.rid"
    text = " AND ".join(part.text for part in where)
    return Sql(f"{tables} WHERE {text}", tuple(value for part in where for value in part.values))


def _period(query: HistoryQuery) -> list[Sql]:
    period = []
    if query.since_us is not None:
        period.append(Sql("v.updated >= ?", (query.since_us,)))
    if query.until_us is not None:
        period.append(Sql("v.updated < ?", (query.until_us,)))
    return period


def _is_short(connection: sqlite3.Connection, period: list[Sql]) -> bool:
    """Whether so few versions are of that time that they are best read whole and sorted."""
    (versions,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM version v INDEXED BY version_updated"
        f" WHERE v.kept = 1 AND {' AND '.join(part.text for part in period)} LIMIT ?)",
        (*(value for part in period for value in part.values), SHORT + 1),
    ).fetchone()
    return int(versions) <= SHORT
