# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""History: versions in the store-wide order of commits, newest first."""

from __future__ import annotations

from store.interface import HistoryQuery, HistoryRow, Version
from store.sqlite.conditions import Sql
from store.sqlite.names import Names


def page_statement(query: HistoryQuery, names: Names) -> Sql:
    source = _source(query, names)
    return Sql(
        "SELECT v.sequence, v.type, r.id, v.version, v.updated, v.method, v.content, v.blob"
        f" FROM {source.text} ORDER BY v.sequence DESC LIMIT ?",
        (*source.values, query.limit),
    )


def count_statement(query: HistoryQuery, names: Names) -> Sql:
    source = _source(query, names)
    return Sql(f"SELECT count(*) FROM {source.text}", source.values)


def rows(fetched: list[tuple[object, ...]], names: Names) -> list[HistoryRow]:
    return [
        HistoryRow(Version(names.text(type), *rest), sequence)  # type: ignore[arg-type]
        for sequence, type, *rest in fetched
    ]


def _source(query: HistoryQuery, names: Names) -> Sql:
    where, values = ["v.kept = 1"], list[object]()
    numbers = [names.find(type) for type in query.types]
    if query.types:
        where.append(f"v.type IN ({', '.join('?' * len(numbers))})")
        values.extend(numbers)
    if query.id is not None:
        where.append("r.id = ?")
        values.append(query.id)
    if query.since_us is not None:
        where.append("v.updated >= ?")
        values.append(query.since_us)
    if query.until_us is not None:
        where.append("v.updated < ?")
        values.append(query.until_us)
    if query.before_sequence is not None:
        where.append("v.sequence < ?")
        values.append(query.before_sequence)
    tables = "version v CROSS JOIN resource r ON r.rid = v.rid"
    if query.id is not None:
        tables = "resource r CROSS JOIN version v ON v.rid = r.rid"
    return Sql(f"{tables} WHERE {' AND '.join(where)}", tuple(values))
