# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""Conditions → SQL.

A condition is written in one of two ways: as a predicate on a candidate row ``r`` of ``resource`` (looked up by the
entry tables' primary keys, which begin with the resource), or, where an index can find what meets it, as the set of
rids that do. What the planner does with either is in ``plan.py``. A join is the same one step further: its other end
is a row ``r1`` of ``resource``, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json import dumps
from typing import assert_never

from store.query import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    IdIn,
    Not,
    Present,
    ReferredBy,
    RefersTo,
    UpdatedIs,
    WithinTree,
)
from store.sqlite.matches import ANY_ROW, NOTHING, OfValue, Sql, joined, match_of
from store.sqlite.names import Identifying, Kind, Names

TABLE_OF = {
    Kind.TOKEN: "term_entry",
    Kind.TOKEN_TEXT: "text_entry",
    Kind.STRING: "text_entry",
    Kind.REFERENCE: "term_entry",
    Kind.REFERENCE_IDENTIFIER: "term_entry",
    Kind.DATE: "date_entry",
    Kind.NUMBER: "amount_entry",
    Kind.QUANTITY: "amount_entry",
    Kind.URI: "term_entry",
    Kind.COMPOSITE: "composite_entry",
}


_UNION_LIMIT = 400
"""SQLite takes 500 SELECTs in one."""

NO_RIDS = Sql("SELECT 0 AS rid WHERE 0")


def of_resource(table: str) -> str:
    """The table as ``e``, to be looked up by its primary key: by resource first, whatever else is asked of the row."""
    return f"{table} e INDEXED BY sqlite_autoindex_{table}_1"


@dataclass(frozen=True, slots=True)
class Rows:
    """Entry rows of one kind that meet a condition: ``match`` speaks of the table's columns."""

    kind: Kind
    pid: int
    match: Sql
    index: str | None
    """The index that finds them without scanning all of the parameter's rows; None: there is none."""

    @property
    def table(self) -> str:
        return TABLE_OF[self.kind]

    def exists(self, row: str) -> Sql:
        """The resource ``row`` has such a row."""
        return Sql(
            f"EXISTS (SELECT 1 FROM {of_resource(self.table)}"
            f" WHERE e.rid = {row}.rid AND e.pid = ? AND {self.match.text})",
            (self.pid, *self.match.values),
        )

    def rids(self) -> Sql:
        return Sql(
            f"SELECT rid FROM {self.table} INDEXED BY {self.index} WHERE pid = ? AND {self.match.text}",
            (self.pid, *self.match.values),
        )


class Compiler:
    """Compiles the conditions of a query on one type. ``type`` None: no resource of the type was ever stored."""

    def __init__(self, names: Names, type: str, depth: int = 0) -> None:
        self._names = names
        self._depth = depth
        self.type = names.find(type)
        self.row = f"r{depth}" if depth else "r"
        """The candidate, a row of ``resource``."""
        # No constants: SQLite drops a constant term together with the index that the query names.
        self._nothing = Sql(f"{self.row}.rid < 0")
        self._everything = Sql(f"{self.row}.rid >= 0")

    def predicate(self, condition: Condition) -> Sql:
        """True of exactly the live resources ``row`` that meet the condition."""
        if isinstance(condition, AnyOf):
            return joined("OR", [self.predicate(c) for c in condition.conditions], self._nothing)
        if isinstance(condition, AllOf):
            return self.all_predicates(condition.conditions)
        if isinstance(condition, Not):
            inner = self.predicate(condition.condition)
            return Sql(f"NOT ({inner.text})", inner.values)
        if isinstance(condition, IdIn):
            return _one_of(f"{self.row}.id", condition.ids)
        if isinstance(condition, UpdatedIs):
            return _updated(condition, f"{self.row}.updated")
        if isinstance(condition, Present):
            return self._present(condition)
        if isinstance(condition, RefersTo):
            return self._refers_to(condition)
        if isinstance(condition, ReferredBy):
            return self._referred_by(condition)
        rows = self.rows(condition)
        return rows.exists(self.row) if rows else self._nothing

    def rids(self, condition: Condition) -> Sql | None:
        """A SELECT of the live rids that meet the condition, read off an index; None where no index finds them."""
        if isinstance(condition, IdIn):
            ids = _one_of("id", condition.ids)
            text = (
                "SELECT rid FROM resource INDEXED BY resource_id"
                f" WHERE {ids.text} AND type = ? AND live = 1"
            )
            return Sql(text, (*ids.values, self.type))
        if isinstance(condition, AnyOf):
            sets = [self.rids(c) for c in alternatives(condition)]
            found = [s for s in sets if s is not None]
            if not sets:
                return NO_RIDS
            if len(found) < len(sets) or len(found) > _UNION_LIMIT:
                return None
            text = " UNION ".join(s.text for s in found)
            return Sql(text, tuple(value for s in found for value in s.values))
        if isinstance(condition, UpdatedIs) and condition.compare is not Compare.NE:
            when = _updated(condition, "r.updated")
            text = (
                "SELECT r.rid AS rid FROM resource r INDEXED BY resource_updated"
                f" WHERE r.type = ? AND r.live = 1 AND {when.text}"
            )
            return Sql(text, (self.type, *when.values))
        if isinstance(condition, RefersTo):
            return self._rids_referring_to(condition)
        if isinstance(condition, ReferredBy):
            return self._rids_referred_by(condition)
        if isinstance(condition, AllOf | Not | UpdatedIs | Present):
            return None
        rows = self.rows(condition)
        if rows is None:
            return NO_RIDS
        return rows.rids() if rows.index else None

    def rows(self, condition: OfValue | WithinTree) -> Rows | None:
        """The entry rows that a condition on one parameter speaks of; None: there can be none."""
        if isinstance(condition, WithinTree):
            return self._within_tree(condition)
        kind, match, index = match_of(condition, self._names)
        pid = self.pid(condition.param, kind)
        if pid is None or match == NOTHING:
            return None
        return Rows(kind, pid, match, index)

    def pid(self, param: str, kind: Kind) -> int | None:
        return None if self.type is None else self._names.find_param(self.type, param, kind)

    def is_identifying(self, pid: int) -> bool:
        """Whether the rows of a parameter are missing in the order of update."""
        return self._names.identifying(pid) is not Identifying.NO

    def _present(self, condition: Present) -> Sql:
        if self.type is None:
            return self._nothing
        kinds = self._names.kinds_of(self.type, condition.param)
        rows = [Rows(kind, pid, ANY_ROW, None) for kind, pid in kinds if kind != Kind.TOKEN_TEXT]
        return joined("OR", [r.exists(self.row) for r in rows], self._nothing)

    def all_predicates(self, conditions: tuple[Condition, ...]) -> Sql:
        """True of the live resources ``row`` that meet all of them."""
        return joined("AND", [self.predicate(c) for c in conditions], self._everything)

    def _other_end(self, type: str) -> Compiler:
        return Compiler(self._names, type, self._depth + 1)

    def _refers_to(self, join: RefersTo) -> Sql:
        other = self._other_end(join.type)
        pid = self.pid(join.param, Kind.REFERENCE)
        if pid is None or other.type is None:
            return self._nothing
        tests, row = other.all_predicates(join.where), other.row
        return Sql(
            f"EXISTS (SELECT 1 FROM {of_resource('term_entry')}"
            f" CROSS JOIN resource {row} INDEXED BY resource_id"
            f" WHERE e.rid = {self.row}.rid AND e.pid = ? AND e.system = ?"
            f" AND {row}.id = e.code AND {row}.type = e.system AND {row}.live = 1 AND {tests.text})",
            (pid, other.type, *tests.values),
        )

    def _rids_referring_to(self, join: RefersTo) -> Sql | None:
        other = self._other_end(join.type)
        pid = self.pid(join.param, Kind.REFERENCE)
        if pid is None or other.type is None:
            return NO_RIDS
        found = other.found(join.where)
        if found is None:
            return None
        return Sql(
            f"SELECT d.rid AS rid FROM resource {other.row}"
            " CROSS JOIN term_entry d INDEXED BY term_created"
            f" WHERE {found.text} AND d.pid = ? AND d.code = {other.row}.id AND d.system = ?",
            (*found.values, pid, other.type),
        )

    def _within_tree(self, tree: WithinTree) -> Rows | None:
        """UNION drops what was found before, so circles end."""
        other = self._other_end(tree.type)
        pid, via = self.pid(tree.param, Kind.REFERENCE), other.pid(tree.via, Kind.REFERENCE)
        if pid is None or other.type is None:
            return None
        tests, row = other.all_predicates(tree.where), other.row
        if tree.above:
            step = (
                f"SELECT d.code FROM tree CROSS JOIN resource {row} INDEXED BY resource_id"
                f" CROSS JOIN term_entry d INDEXED BY sqlite_autoindex_term_entry_1"
                f" WHERE {row}.id = tree.id AND {row}.type = ? AND {row}.live = 1"
                f" AND d.rid = {row}.rid AND d.pid = ? AND d.system = ? AND {tests.text}"
            )
            values = (other.type, via, other.type, *tests.values)
        else:
            step = (
                f"SELECT {row}.id FROM tree CROSS JOIN term_entry d INDEXED BY term_created"
                f" CROSS JOIN resource {row}"
                " WHERE d.pid = ? AND d.code = tree.id AND d.system = ?"
                f" AND {row}.rid = d.rid AND {tests.text}"
            )
            values = (via, other.type, *tests.values)
        match = Sql(
            f"code IN (WITH RECURSIVE tree (id) AS (SELECT ? UNION {step})"
            " SELECT id FROM tree) AND system = ?",
            (tree.id, *values, other.type),
        )
        return Rows(Kind.REFERENCE, pid, match, "term_created")

    def _referred_by(self, join: ReferredBy) -> Sql:
        other = self._other_end(join.type)
        pid = other.pid(join.param, Kind.REFERENCE)
        if pid is None or self.type is None:
            return self._nothing
        tests, row = other.all_predicates(join.where), other.row
        return Sql(
            "EXISTS (SELECT 1 FROM term_entry e INDEXED BY term_created"
            f" CROSS JOIN resource {row}"
            f" WHERE e.pid = ? AND e.code = {self.row}.id AND e.system = ?"
            f" AND {row}.rid = e.rid AND {tests.text})",
            (pid, self.type, *tests.values),
        )

    def _rids_referred_by(self, join: ReferredBy) -> Sql | None:
        other = self._other_end(join.type)
        pid = other.pid(join.param, Kind.REFERENCE)
        if pid is None or self.type is None:
            return NO_RIDS
        found = other.found(join.where)
        if found is None:
            return None
        row = self.row
        return Sql(
            f"SELECT {row}.rid AS rid FROM resource {other.row}"
            f" CROSS JOIN {of_resource('term_entry')}"
            f" CROSS JOIN resource {row} INDEXED BY resource_id"
            f" WHERE {found.text} AND e.rid = {other.row}.rid AND e.pid = ? AND e.system = ?"
            f" AND {row}.id = e.code AND {row}.type = e.system AND {row}.live = 1",
            (*found.values, pid, self.type),
        )

    def found(self, where: tuple[Condition, ...]) -> Sql | None:
        """WHERE of the rows that meet all, the first that an index finds looked up and the others tested.

        None: an index finds none of them.
        """
        for at, condition in enumerate(where):
            rids = self.rids(condition)
            if rids is not None:
                tests = self.all_predicates(where[:at] + where[at + 1 :])
                text = f"{self.row}.rid IN ({rids.text}) AND {tests.text}"
                return Sql(text, (*rids.values, *tests.values))
        return None


def all_of(parts: Iterable[Sql]) -> Sql:
    """One after the other, joined by AND; there is at least one."""
    given = tuple(parts)
    text = " AND ".join(part.text for part in given)
    return Sql(text, tuple(value for part in given for value in part.values))


def alternatives(condition: AnyOf) -> Iterator[Condition]:
    """Nested AnyOfs made one sequence."""
    for one in condition.conditions:
        if isinstance(one, AnyOf):
            yield from alternatives(one)
        else:
            yield one


def _one_of(column: str, texts: tuple[str, ...]) -> Sql:
    if len(texts) == 1:
        return Sql(f"{column} = ?", texts)
    return Sql(f"{column} IN (SELECT value FROM json_each(?))", (dumps(texts),))


def _updated(condition: UpdatedIs, column: str) -> Sql:
    """``column`` is the interval [updated, updated + 1)."""
    low, high = condition.low_us, condition.high_us
    match condition.compare:
        case Compare.EQ | Compare.AP:
            return Sql(f"({column} >= ? AND {column} < ?)", (low, high))
        case Compare.NE:
            return Sql(f"({column} < ? OR {column} >= ?)", (low, high))
        case Compare.GT | Compare.SA:
            return Sql(f"{column} >= ?", (high,))
        case Compare.LT | Compare.EB:
            return Sql(f"{column} < ?", (low,))
        case Compare.GE:
            return Sql(f"{column} >= ?", (min(low, high),))
        case Compare.LE:
            return Sql(f"{column} < ?", (max(low, high),))
    assert_never(condition.compare)
