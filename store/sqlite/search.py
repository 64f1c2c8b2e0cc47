# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""Searches: one SELECT a page, driven by the index that leaves the least to look at."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from store.interface import Found, Page, Version
from store.query import (
    AllOf,
    Condition,
    Cursor,
    Query,
    ReferenceIs,
    SortField,
    SortKey,
    SortValue,
    TokenIs,
    UriIs,
    UriMatch,
)
from store.sqlite.conditions import TABLE_OF, Compiler, Rows, Sql
from store.sqlite.names import Kind, Names

FEW = 300
"""A set of at most so many candidates is read whole and sorted."""

MANY = 5_000
"""Beyond so many, walking in the order of the page and testing each row is the better bet."""

Probe = Callable[[Sql], int]


@dataclass(frozen=True, slots=True)
class Source:
    """Where candidates come from: FROM and WHERE, and the order they come in (None: none in particular)."""

    tables: str
    where: tuple[Sql, ...]
    order: SortField | None
    doubles: bool = False
    """A resource may come twice in a row."""
    rid: str = "r.rid"
    updated: str = "r.updated"


def page_statement(query: Query, compiler: Compiler, probe: Probe) -> Sql:
    """SELECT of a page and one row more; a hit is (rid, id, version, updated, method, content, blob, sort values…)."""
    source, filters = _plan(query, compiler, probe)
    keys = [_key(key, source, compiler) for key in query.sort]
    inner = ["r.rid AS rid", "r.id AS id", "r.sequence AS sequence"]
    inner += [f"{key.text} AS k{at}" for at, key in enumerate(keys)]
    order = ", ".join(
        [
            *(f"k{at} {_direction(key)}" for at, key in enumerate(query.sort)),
            source.rid,
        ]
    )
    where = [*source.where, *filters]
    if query.after is not None:
        where.append(_after(query, source, keys))
    condition = " AND ".join(part.text for part in where) or "1"
    outer = "".join(f", p.k{at}" for at in range(len(keys)))
    text = (
        "SELECT p.rid, p.id, v.version, v.updated, v.method, v.content, v.blob"
        f"{outer} FROM (SELECT {'DISTINCT ' if source.doubles else ''}{', '.join(inner)}"
        f" FROM {source.tables} WHERE {condition} ORDER BY {order} LIMIT ?) p"
        " CROSS JOIN version v ON v.sequence = p.sequence"
    )
    values = [value for key in keys for value in key.values]
    values += [value for part in where for value in part.values]
    return Sql(text, (*values, query.limit + 1))


def page(query: Query, rows: list[tuple[object, ...]]) -> Page:
    hits = tuple(
        Found(
            Version(query.type, *row[1:7]),  # type: ignore[arg-type]
            Cursor(row[7:], row[0]),  # type: ignore[arg-type]
        )
        for row in rows[: query.limit]
    )
    return Page(hits, more=len(rows) > query.limit)


def count_statement(query: Query, compiler: Compiler, probe: Probe) -> Sql:
    unsorted = Query(query.type, query.where)
    source, filters = _plan(unsorted, compiler, probe)
    where = [*source.where, *filters]
    condition = " AND ".join(part.text for part in where) or "1"
    counted = f"count(DISTINCT {source.rid})" if source.doubles else "count(*)"
    return Sql(
        f"SELECT {counted} FROM {source.tables} WHERE {condition}",
        tuple(value for part in where for value in part.values),
    )


def matching_ids(connection: sqlite3.Connection, names: Names, query: Query) -> list[str]:
    """The ids on the query's page, read by a connection of one's own."""
    statement = page_statement(query, Compiler(names, query.type), prober(connection))
    rows = connection.execute(statement.text, statement.values).fetchall()
    return [row[1] for row in rows[: query.limit]]


def prober(connection: sqlite3.Connection) -> Probe:
    def probe(rids: Sql) -> int:
        """How many rows a SELECT has."""
        row = connection.execute(f"SELECT count(*) FROM ({rids.text})", rids.values).fetchone()
        return int(row[0])

    return probe


def _plan(query: Query, compiler: Compiler, probe: Probe) -> tuple[Source, list[Sql]]:
    conditions = _flat(query.where)
    order = _order(query.sort)
    sets = [(c, s) for c in conditions if (s := compiler.rids(c)) is not None]
    if len(sets) == 1 and order is not None:
        source = _term_walk(sets[0][0], order, compiler)
        if source is not None:
            return source, _predicates(conditions, compiler, without=sets[0][0])
    best, size = _smallest(sets, probe, FEW)
    if best is not None and size > FEW and order is not None:
        walks = [(c, w) for c, _ in sets if (w := _term_walk(c, order, compiler)) is not None]
        if walks:
            condition, source = walks[0]
            return source, _predicates(conditions, compiler, without=condition)
        best, size = _smallest(sets, probe, MANY)
    if best is not None and (size <= MANY or order is None):
        condition, rids = best
        where = (Sql(f"r.rid IN ({rids.text}) AND r.live = 1", rids.values),)
        exact = _predicates(conditions, compiler, without=condition)
        return Source("resource r", where, None), exact
    return _type_walk(compiler, order), _predicates(conditions, compiler, without=None)


def _smallest(
    sets: list[tuple[Condition, Sql]], probe: Probe, limit: int
) -> tuple[tuple[Condition, Sql] | None, int]:
    """The set with the fewest rows, counted up to ``limit`` + 1."""
    best, size = None, limit + 2
    for condition, rids in sets:
        bounded = Sql(f"SELECT 1 FROM ({rids.text}) LIMIT ?", (*rids.values, min(size, limit + 1)))
        rows = probe(bounded)
        if rows < size:
            best, size = (condition, rids), rows
    return best, size


def _term_walk(condition: Condition, order: SortField, compiler: Compiler) -> Source | None:
    """Candidates straight off an index of terms, in the order of the page."""
    if isinstance(condition, TokenIs):
        exact = condition.system is not None
    elif isinstance(condition, ReferenceIs):
        exact = condition.target_type is not None or condition.target_id is None
    elif isinstance(condition, UriIs) and condition.match is UriMatch.EXACT:
        exact = True
    else:
        return None
    rows = compiler.rows(condition)
    if rows is None or rows.index is None or order is SortField.ID:
        return None
    index = "term_created" if order is SortField.CREATED else "term_updated"
    return Source(
        f"term_entry d INDEXED BY {index} CROSS JOIN resource r ON r.rid = d.rid",
        (Sql("d.pid = ?", (rows.pid,)), Sql(_of_d(rows), rows.match.values)),
        order,
        doubles=not exact,
        rid="d.rid",
        updated="d.updated",
    )


def _of_d(rows: Rows) -> str:
    return rows.match.text.replace("code =", "d.code =").replace("system", "d.system")


def _type_walk(compiler: Compiler, order: SortField | None) -> Source:
    """Every live resource of the type, in the order of the page where an index has it."""
    where = (Sql("r.type = ?", (compiler.type,)), Sql("r.live = 1"))
    if order is SortField.LAST_UPDATED:
        return Source("resource r INDEXED BY resource_updated", where, order)
    return Source("resource r INDEXED BY resource_created", where, SortField.CREATED)


def _predicates(
    conditions: list[Condition], compiler: Compiler, without: Condition | None
) -> list[Sql]:
    return [compiler.predicate(c) for c in conditions if c is not without]


def _flat(conditions: tuple[Condition, ...]) -> list[Condition]:
    flat: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, AllOf):
            flat.extend(_flat(condition.conditions))
        else:
            flat.append(condition)
    return flat


def _order(sort: tuple[SortKey, ...]) -> SortField | None:
    """The order that an index can have: creation or last update, with ties by creation."""
    if not sort:
        return SortField.CREATED
    if len(sort) == 1 and sort[0].field is SortField.LAST_UPDATED:
        return SortField.LAST_UPDATED
    if sort[0] == SortKey(SortField.CREATED):
        return SortField.CREATED
    return None


def _direction(key: SortKey) -> str:
    return ("DESC" if key.descending else "ASC") + _nulls(key)


def _nulls(key: SortKey) -> str:
    # Said only where there can be none: an index gives no rows in NULLS LAST order.
    return "" if key.param is None else " NULLS LAST"


_KINDS = {
    SortField.TOKEN: (Kind.TOKEN, "code", "code"),
    SortField.STRING: (Kind.STRING, "normalised", "normalised"),
    SortField.REFERENCE: (Kind.REFERENCE, "code", "code"),
    SortField.DATE: (Kind.DATE, "low", "high"),
    SortField.NUMBER: (Kind.NUMBER, "low", "high"),
    SortField.QUANTITY: (Kind.QUANTITY, "low", "high"),
    SortField.URI: (Kind.URI, "code", "code"),
}


def _key(key: SortKey, source: Source, compiler: Compiler) -> Sql:
    if key.field is SortField.CREATED:
        return Sql(source.rid)
    if key.field is SortField.ID:
        return Sql("r.id")
    if key.field is SortField.LAST_UPDATED:
        return Sql(source.updated)
    kind, least, greatest = _KINDS[key.field]
    pid = compiler.pid(key.param or "", kind)
    if pid is None:
        return Sql("NULL")
    # The plus keeps SQLite from reading the least off the index of all resources' values.
    value = f"max(+{greatest})" if key.descending else f"min(+{least})"
    return Sql(
        f"(SELECT {value} FROM {TABLE_OF[kind]} e WHERE e.rid = r.rid AND e.pid = ?)", (pid,)
    )


def _after(query: Query, source: Source, keys: list[Sql]) -> Sql:
    """What comes after the cursor. Missing values (None) are last, whatever the direction."""
    cursor = query.after
    assert cursor is not None
    if not query.sort:
        return Sql(f"{source.rid} > ?", (cursor.position,))
    later = Sql(f"{source.rid} > ?", (cursor.position,))
    for key, sort, value in reversed(list(zip(keys, query.sort, cursor.values, strict=True))):
        later = _later(key, sort, value, later)
    if source.order is SortField.LAST_UPDATED:
        # The same bound in a form that an index seeks by.
        bound = "<=" if query.sort[0].descending else ">="
        return Sql(f"{keys[0].text} {bound} ? AND {later.text}", (cursor.values[0], *later.values))
    return later


def _later(key: Sql, sort: SortKey, value: SortValue, ties: Sql) -> Sql:
    same = Sql(f"({key.text} IS ? AND {ties.text})", (*key.values, value, *ties.values))
    if value is None:
        return same
    compare = "<" if sort.descending else ">"
    text = f"({key.text} {compare} ? OR {key.text} IS NULL OR {same.text})"
    return Sql(text, (*key.values, value, *key.values, *same.values))
