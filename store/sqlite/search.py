# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""Searches: one SELECT a page, and one a count."""

from __future__ import annotations

import sqlite3
from typing import Any

from store.errors import SearchTooCostly
from store.interface import Found, Page, Version
from store.query import Cursor, Query, SortField, SortKey, SortValue
from store.sqlite.conditions import Compiler, all_of, of_resource
from store.sqlite.matches import Sql
from store.sqlite.names import Names
from store.sqlite.plan import NO_VALUE, Plan, Probe, Source, plan_page, rows_to_count
from store.sqlite.values import value_column

STEPS_A_LOOK = 40_000
GUARD_LOOKS = 100
"""Steps of SQLite's virtual machine, divided by those of a look, that a guard's search may take: a tenth of a second."""


COLUMNS, CONTENT = 7, 5
"""Of a page's statement: how many it has before its sort values, and the one that holds the content."""


def page_statement(names: Names, query: Query, probe: Probe) -> Sql:
    """SELECT of a page and one row more: rid, id, version, updated, method, content, blob, sort values…"""
    compiler = Compiler(names, query.type)
    plan = plan_page(query, compiler, probe)
    candidates = _candidates(plan, query, compiler)
    values = "".join(f", p.k{at}" for at in range(len(query.sort)))
    return Sql(
        f"SELECT p.rid, p.id, v.version, v.updated, v.method, v.content, v.blob{values}"
        f" FROM ({candidates.text}) p CROSS JOIN version v ON v.sequence = p.sequence",
        candidates.values,
    )


def page(query: Query, rows: list[tuple[Any, ...]]) -> Page:
    type = query.type
    hits = tuple(
        Found(Version(type, *row[1:7]), Cursor(row[7:], row[0])) for row in rows[: query.limit]
    )
    return Page(hits, more=len(rows) > query.limit)


def count_statement(names: Names, query: Query, probe: Probe) -> Sql:
    rows = rows_to_count(query, Compiler(names, query.type), probe)
    return Sql(f"SELECT count(*) FROM {rows.text}", rows.values)


def matching_ids(connection: sqlite3.Connection, names: Names, query: Query) -> list[str]:
    """The ids on the query's page, read by the writer's connection.

    Raises:
        SearchTooCostly: everybody who writes would wait too long for it.
    """

    def probe(rows: Sql) -> int:
        counted = connection.execute(f"SELECT count(*) FROM ({rows.text})", rows.values)
        return int(counted.fetchone()[0])

    looks = iter(range(GUARD_LOOKS))
    connection.set_progress_handler(lambda: next(looks, None) is None, STEPS_A_LOOK)
    try:
        statement = page_statement(names, query, probe)
        rows = connection.execute(statement.text, statement.values).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname == "SQLITE_INTERRUPT":
            raise SearchTooCostly("the search of a guard took too long") from error
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return [row[1] for row in rows[: query.limit]]


def _candidates(plan: Plan, query: Query, compiler: Compiler) -> Sql:
    """The page's rows in order: rid, id, sequence, k0, k1, …"""
    parts = [_part(source, plan.tests, query, compiler) for source in plan.sources]
    if len(parts) == 1:
        return parts[0]
    union = " UNION ALL ".join(f"SELECT * FROM ({part.text})" for part in parts)
    values = tuple(value for part in parts for value in part.values)
    limit = query.limit + 1
    if not plan.merged:
        # Each part is in order and comes after the one before; SQLite runs the next only for what is missing.
        return Sql(f"{union} LIMIT ?", (*values, limit))
    order = ", ".join((*_order(query.sort), "rid"))
    return Sql(f"SELECT DISTINCT * FROM ({union}) ORDER BY {order} LIMIT ?", (*values, limit))


def _part(source: Source, tests: tuple[Sql, ...], query: Query, compiler: Compiler) -> Sql:
    keys = [_key(at, key, source, compiler) for at, key in enumerate(query.sort)]
    columns = [f"{source.rid} AS rid", "r.id AS id", "r.sequence AS sequence"]
    columns += [f"{key.text} AS k{at}" for at, key in enumerate(keys)]
    where = all_of((*source.where, *tests, *_after(query, source, keys)))
    order = ", ".join((*_order(query.sort, source.value), source.rid))
    values = [value for key in keys for value in key.values]
    return Sql(
        f"SELECT {'DISTINCT ' if source.doubles else ''}{', '.join(columns)}"
        f" FROM {source.tables} WHERE {where.text} ORDER BY {order} LIMIT ?",
        (*values, *where.values, query.limit + 1),
    )


def _key(at: int, key: SortKey, source: Source, compiler: Compiler) -> Sql:
    if key.field is SortField.CREATED:
        return Sql(source.rid)
    if key.field is SortField.ID:
        return Sql("r.id")
    if key.field is SortField.LAST_UPDATED:
        return Sql(source.updated)
    if at == 0 and source.value is not None:
        return Sql(source.value)
    column = value_column(key, compiler)
    if column is None:
        return Sql(NO_VALUE)
    value = f"{'max' if column.greatest else 'min'}({column.name})"
    rows = f"{of_resource(column.table)} WHERE e.rid = r.rid AND e.pid = ?"
    return Sql(f"(SELECT {value} FROM {rows})", (column.pid,))


def _order(sort: tuple[SortKey, ...], first: str | None = None) -> list[str]:
    """``first``: what stands for the first key, where that is NULL for every row or for none."""
    terms = []
    for at, key in enumerate(sort):
        if at == 0 and first == NO_VALUE:
            continue
        direction = "DESC" if key.descending else "ASC"
        # NULLS LAST is said only where there may be NULLs among others: no index has that order.
        nulls = "" if key.param is None or (at == 0 and first is not None) else " NULLS LAST"
        terms.append(f"k{at} {direction}{nulls}")
    return terms


def _after(query: Query, source: Source, keys: list[Sql]) -> list[Sql]:
    """What comes after the cursor. Missing values (None) are last, whatever the direction."""
    cursor = query.after
    if cursor is None:
        return []
    later = Sql(f"{source.rid} > ?", (cursor.position,))
    for key, sort, value in reversed(list(zip(keys, query.sort, cursor.values, strict=True))):
        later = _later(key, sort, value, later)
    if source.sought is None:
        return [later]
    # The same bound again in the form that an index can seek by.
    bound = "<=" if query.sort[0].descending else ">="
    return [Sql(f"{source.sought} {bound} ?", (cursor.values[0],)), later]


def _later(key: Sql, sort: SortKey, value: SortValue, ties: Sql) -> Sql:
    same = Sql(f"({key.text} IS ? AND {ties.text})", (*key.values, value, *ties.values))
    if value is None:
        return same
    compare = "<" if sort.descending else ">"
    text = f"({key.text} {compare} ? OR {key.text} IS NULL OR {same.text})"
    return Sql(text, (*key.values, value, *key.values, *same.values))
