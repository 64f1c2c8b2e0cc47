# ruff: noqa: S608 - the statements are this module's own; every value is bound
"""Entry rows that are committed and stand in no index yet.

A group of a few commits changes a page for nearly every value its resources have: it costs a hundred times a hundred
bytes to say one. So its rows, but for those that guards ask for, are kept here as one blob for each type, and merged into the
entry tables a hundred resources at a time, or as soon as a search asks for them. ``settled_or_marked`` is how a search
learns, in its own snapshot, whether anything of its types is pending; ADR 16.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from store.query import (
    AllOf,
    AnyOf,
    Condition,
    IdIn,
    Not,
    Query,
    ReferredBy,
    RefersTo,
    TokenIn,
    TokenIs,
    UpdatedIs,
    WithinTree,
)
from store.sqlite import entry_changes
from store.sqlite.matches import Sql
from store.sqlite.names import Identifying, Kind, Names
from store.sqlite.rows import Batch, EntryRows

MARK = b""
"""In the first column of the only row of a statement whose index is not complete."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Batch).decode


def keep(connection: sqlite3.Connection, type: int, sequence: int, entries: EntryRows) -> None:
    """Inside the transaction that makes the versions. ``sequence`` is greater than that of any kept before."""
    connection.execute(
        "INSERT INTO pending (type, sequence, rows) VALUES (?, ?, ?)",
        (type, sequence, _encode(entries.batch())),
    )


def merge(connection: sqlite3.Connection) -> None:
    """Inside a transaction: makes everything pending part of the index."""
    kept = connection.execute("SELECT rows FROM pending ORDER BY sequence").fetchall()
    if kept:
        entry_changes.write(connection, _joined([_decode(rows) for (rows,) in kept]))
        connection.execute("DELETE FROM pending")


def _joined(batches: Sequence[Batch]) -> Batch:
    """Of a resource that several batches speak of, the last one counts."""
    superseded: set[int] = set()
    current: list[Batch] = []
    for batch in reversed(batches):
        current.append(_without(batch, superseded) if superseded else batch)
        superseded.update(batch.superseded)
    current.reverse()
    return Batch(
        sorted(superseded),
        list(chain.from_iterable(b.identifying for b in current)),
        list(chain.from_iterable(b.terms for b in current)),
        list(chain.from_iterable(b.texts for b in current)),
        list(chain.from_iterable(b.dates for b in current)),
        list(chain.from_iterable(b.amounts for b in current)),
        list(chain.from_iterable(b.composites for b in current)),
    )


def _without(batch: Batch, rids: set[int]) -> Batch:
    return Batch(
        batch.superseded,
        [row for row in batch.identifying if row[0] not in rids],
        [row for row in batch.terms if row[0] not in rids],
        [row for row in batch.texts if row[0] not in rids],
        [row for row in batch.dates if row[0] not in rids],
        [row for row in batch.amounts if row[0] not in rids],
        [row for row in batch.composites if row[0] not in rids],
    )


def marking(names: Names, statement: Sql, columns: int, types: Iterable[str]) -> Sql:
    """The statement, of so many columns, or in its place a row of MARKs where rows of the types are pending."""
    numbers = [number for type in types if (number := names.find(type)) is not None]
    if not numbers:
        return statement
    marks = ", ".join(["x''"] * columns)
    among = ", ".join("?" * len(numbers))
    return Sql(
        f"SELECT {marks} WHERE EXISTS (SELECT 1 FROM pending WHERE type IN ({among}))"
        f" UNION ALL {statement.text}",
        (*numbers, *statement.values),
    )


def indexed_types(names: Names, query: Query) -> set[str]:
    """The types of whose resources a query asks what may be pending."""
    types: set[str] = set()
    if any(key.param is not None for key in query.sort):
        types.add(query.type)
    _add_indexed(names, query.type, query.where, types)
    return types


def _add_indexed(names: Names, type: str, where: Iterable[Condition], types: set[str]) -> None:
    for condition in where:
        if isinstance(condition, IdIn | UpdatedIs):
            continue
        if isinstance(condition, AnyOf | AllOf):
            _add_indexed(names, type, condition.conditions, types)
        elif isinstance(condition, Not):
            _add_indexed(names, type, (condition.condition,), types)
        elif isinstance(condition, TokenIs | TokenIn):
            if not stands_at_once(names, type, condition):
                types.add(type)
        else:
            types.add(type)
            if isinstance(condition, RefersTo | ReferredBy | WithinTree):
                types.add(condition.type)
                _add_indexed(names, condition.type, condition.where, types)


def stands_at_once(names: Names, type: str, condition: TokenIs | TokenIn) -> bool:
    """Whether the rows that meet the condition are never pending."""
    number = names.find(type)
    pid = None if number is None else names.find_param(number, condition.param, Kind.TOKEN)
    return pid is None or names.identifying(pid) is Identifying.AT_ONCE
