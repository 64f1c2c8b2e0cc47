# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""Where a page's candidates come from: the index that leaves the least to look at.

SQLite plans by statistics that a growing store has not got; here the choice rests on what is known for certain: which
conditions an index finds, how many rows they have (counted up to a bound), and which index is in the page's order.

1. One condition on a term, page in order of creation or last update: its index has the rows in that very order.
2. A condition with few rows: they are read, tested and sorted.
3. All conditions have many rows: walked in the order of the page, each row is tested, until the page is full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from store.query import (
    AllOf,
    AnyOf,
    Condition,
    Query,
    ReferenceIs,
    SortField,
    SortKey,
    TokenIs,
    UriIs,
    UriMatch,
)
from store.sqlite.conditions import Compiler, all_of, of_resource
from store.sqlite.matches import Sql
from store.sqlite.values import ValueColumn, value_column

FEW = 300
"""A set of at most so many candidates is read whole and sorted."""

MANY = 5_000
"""Beyond so many, walking in the order of the page and testing each row is the better bet."""

MERGED_TERMS = 16
"""An AnyOf of at most so many terms is walked term by term and merged."""

NO_VALUE = "NULL"
"""Stands for the sort key of those that have no value."""

Probe = Callable[[Sql], float]
"""How many rows a SELECT has; infinity where it takes too long to say."""


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of candidates: FROM and WHERE, and what the page's order is in its terms."""

    tables: str
    where: tuple[Sql, ...]
    rid: str = "r.rid"
    updated: str = "r.updated"
    value: str | None = None
    """What stands for the first sort key; None: it is computed for each candidate."""
    doubles: bool = False
    """A resource may come more than once."""
    sought: str | None = None
    """The column by which the index can go on after a cursor's first value."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``sources`` one after the other, or (``merged``) all at once; their candidates must meet ``tests``."""

    sources: tuple[Source, ...]
    tests: tuple[Sql, ...]
    merged: bool = False


def plan_page(query: Query, compiler: Compiler, probe: Probe) -> Plan:
    conditions = flat(query.where)
    order = _order(query.sort)
    if (
        len(conditions) == 1  # as below, without asking first what else there is
        and order is not None
        and (plan := _walk_terms(conditions[0], order, conditions, compiler))
    ):
        return plan
    found = [(c, s) for c in conditions if (s := compiler.rids(c)) is not None]
    if (
        len(found) == 1
        and order is not None
        and (plan := _walk_terms(found[0][0], order, conditions, compiler))
    ):
        return plan
    best, size = _smallest(found, probe, FEW)
    if best is None or size > FEW:
        for condition, _ in found:
            if order is not None and (plan := _walk_terms(condition, order, conditions, compiler)):
                return plan
        walk = _walk_type(query, order, conditions, compiler)
        if walk is not None:
            best, size = _smallest(found, probe, MANY)
            if best is None or size > MANY:
                return walk
        elif best is None:
            best = found[0] if found else None
    if best is None:
        return Plan((_all_of_type(compiler, "resource_created"),), _tests(conditions, compiler))
    condition, rids = best
    return Plan((_from_set(rids),), _tests(conditions, compiler, without=condition))


def rows_to_count(query: Query, compiler: Compiler, probe: Probe) -> Sql:
    """FROM and WHERE of rows that are the matches, each once, in whatever order."""
    conditions = flat(query.where)
    found = [(c, s) for c in conditions if (s := compiler.rids(c)) is not None]
    if len(conditions) == len(found) == 1:
        rids = found[0][1]
        return Sql(f"(SELECT DISTINCT rid FROM ({rids.text}))", rids.values)
    best = found[0] if len(found) == 1 else _smallest(found, probe, MANY)[0]
    if best is None:
        source, without = _all_of_type(compiler, "resource_created"), None
    else:
        source, without = _from_set(best[1]), best[0]
    where = all_of((*source.where, *_tests(conditions, compiler, without)))
    return Sql(f"{source.tables} WHERE {where.text}", where.values)


def flat(conditions: Iterable[Condition]) -> list[Condition]:
    """Nested AllOfs made one list."""
    result: list[Condition] = []
    for condition in conditions:
        result += flat(condition.conditions) if isinstance(condition, AllOf) else [condition]
    return result


def _order(sort: tuple[SortKey, ...]) -> SortField | None:
    """CREATED or LAST_UPDATED where that alone is the order (ties are by creation), as every index has it."""
    if not sort or sort[0] == SortKey(SortField.CREATED):
        return SortField.CREATED
    rest = sort[1:]
    if sort[0].field is SortField.LAST_UPDATED and rest in {(), (SortKey(SortField.CREATED),)}:
        return SortField.LAST_UPDATED
    return None


def _smallest(
    sets: list[tuple[Condition, Sql]], probe: Probe, limit: int
) -> tuple[tuple[Condition, Sql] | None, float]:
    """The set with the fewest rows, counted up to ``limit`` + 1."""
    best: tuple[Condition, Sql] | None = None
    size: float = limit + 2
    for condition, rids in sets:
        bounded = Sql(f"SELECT 1 FROM ({rids.text}) LIMIT ?", (*rids.values, min(size, limit + 1)))
        rows = probe(bounded)
        if rows < size:
            best, size = (condition, rids), rows
    return best, size


def _from_set(rids: Sql) -> Source:
    return Source("resource r", (Sql(f"r.rid IN ({rids.text})", rids.values),))


def _walk_terms(
    condition: Condition, order: SortField, conditions: list[Condition], compiler: Compiler
) -> Plan | None:
    """Candidates straight off an index of terms, in the order of the page; None: the condition is not of that sort."""
    terms = condition.conditions if isinstance(condition, AnyOf) else (condition,)
    if not 0 < len(terms) <= MERGED_TERMS:
        return None
    sources = [_walk_term(term, order, compiler) for term in terms]
    walks = tuple(source for source in sources if source is not None)
    if len(walks) < len(sources):
        return None
    return Plan(walks, _tests(conditions, compiler, without=condition), merged=len(walks) > 1)


def _walk_term(term: Condition, order: SortField, compiler: Compiler) -> Source | None:
    if isinstance(term, TokenIs):
        exact = term.system is not None
    elif isinstance(term, ReferenceIs):
        exact = term.target_type is not None or term.target_id is None
    elif isinstance(term, UriIs) and term.match is UriMatch.EXACT:
        exact = True
    else:
        return None
    rows = compiler.rows(term)
    by_update = order is SortField.LAST_UPDATED
    if rows is None or rows.index is None or (by_update and compiler.is_identifying(rows.pid)):
        return None
    index = "term_updated" if by_update else "term_created"
    timed = (Sql("d.updated IS NOT NULL"),) if by_update else ()
    return Source(
        f"term_entry d INDEXED BY {index} CROSS JOIN resource r ON r.rid = d.rid",
        (Sql("d.pid = ?", (rows.pid,)), rows.match, *timed),
        rid="d.rid",
        updated="d.updated" if by_update else "r.updated",
        doubles=not exact,
        sought="d.updated" if by_update else None,
    )


def _walk_type(
    query: Query, order: SortField | None, conditions: list[Condition], compiler: Compiler
) -> Plan | None:
    """Every resource of the type, in the order of the page; None: no index has that order."""
    tests = _tests(conditions, compiler)
    if order is SortField.CREATED:
        return Plan((_all_of_type(compiler, "resource_created"),), tests)
    if order is SortField.LAST_UPDATED:
        return Plan((_all_of_type(compiler, "resource_updated", sought="r.updated"),), tests)
    first, rest = query.sort[0], query.sort[1:]
    if first.param is None or rest not in {(), (SortKey(SortField.CREATED),)}:
        return None
    column = value_column(first, compiler)
    if column is None:
        return None
    with_value, without = _walk_values(column, compiler)
    if query.after is not None and query.after.values[0] is None:
        return Plan((without,), tests)
    return Plan((with_value, without), tests)


def _walk_values(column: ValueColumn, compiler: Compiler) -> tuple[Source, Source]:
    """The resources with a value, each at its least or greatest; then those without."""
    table, value, beyond = column.table, column.name, ">" if column.greatest else "<"
    with_value = Source(
        f"{table} d INDEXED BY {column.index} CROSS JOIN resource r ON r.rid = d.rid",
        (
            Sql("d.pid = ?", (column.pid,)),
            Sql(
                f"NOT EXISTS (SELECT 1 FROM {of_resource(table)}"
                f" WHERE e.rid = d.rid AND e.pid = d.pid AND e.{value} {beyond} d.{value})"
            ),
        ),
        rid="d.rid",
        value=f"d.{value}",
        doubles=True,
        sought=f"d.{value}",
    )
    missing = Sql(
        f"NOT EXISTS (SELECT 1 FROM {of_resource(table)} WHERE e.rid = r.rid AND e.pid = ?)",
        (column.pid,),
    )
    everything = _all_of_type(compiler, "resource_created")
    without = Source(everything.tables, (*everything.where, missing), value=NO_VALUE)
    return with_value, without


def _all_of_type(compiler: Compiler, index: str, sought: str | None = None) -> Source:
    where = (Sql("r.type = ?", (compiler.type,)), Sql("r.live = 1"))
    return Source(f"resource r INDEXED BY {index}", where, sought=sought)


def _tests(
    conditions: list[Condition], compiler: Compiler, without: Condition | None = None
) -> tuple[Sql, ...]:
    return tuple(compiler.predicate(c) for c in conditions if c is not without)
