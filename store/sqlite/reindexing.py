# ruff: noqa: S608 - column names are this module's own; every value is bound
"""Resources whose entries were made by another edition of the extraction, and new entries for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from store.interface import Reindexed, Version
from store.sqlite import entry_changes, pending
from store.sqlite.matches import Sql
from store.sqlite.names import NO_SYSTEM, Names
from store.sqlite.rows import EntryRows

_OTHERS = (
    "SELECT rid, sequence FROM resource INDEXED BY resource_indexed WHERE type = ?1 AND live = 1 AND indexed < ?2"
    " UNION ALL "
    "SELECT rid, sequence FROM resource INDEXED BY resource_indexed WHERE type = ?1 AND live = 1 AND indexed > ?2"
    " LIMIT ?3"
)
"""Two ranges, not one inequality: an index finds either at once, however many resources are as they should be."""


def edition_number(names: Names, edition: str) -> int:
    """The number that stands for the edition in ``resource.indexed``; one that nothing has, where nobody wrote it."""
    if not edition:
        return NO_SYSTEM
    number = names.find(edition)
    return -1 if number is None else number


def outdated(
    connection: sqlite3.Connection, names: Names, type: str, edition: str, limit: int
) -> list[Version]:
    rows = connection.execute(
        "SELECT r.id, v.version, v.updated, v.method, v.content, v.blob"
        f" FROM ({_OTHERS}) o CROSS JOIN resource r ON r.rid = o.rid"
        " CROSS JOIN version v ON v.sequence = o.sequence",
        (names.find(type), edition_number(names, edition), limit),
    )
    return [Version(type, *row) for row in rows]


def count_statement(names: Names, type: str, edition: str, at_most: int) -> Sql:
    values = (names.find(type), edition_number(names, edition), at_most)
    return Sql(f"SELECT count(*) FROM ({_OTHERS})", values)


def reindex(connection: sqlite3.Connection, names: Names, resources: Sequence[Reindexed]) -> int:
    """Inside the writer's transaction. Leaves alone what has another version meanwhile."""
    rows = EntryRows()
    done: list[tuple[int, int]] = []
    for resource in resources:
        type = names.find(resource.type)
        current = connection.execute(
            "SELECT rid, updated FROM resource WHERE id = ? AND type = ? AND version = ? AND live = 1",
            (resource.id, type, resource.version),
        ).fetchone()
        if current is not None and type is not None:
            rid, updated = current
            rows.supersede(rid)
            rows.add(names, type, rid, updated, resource.entries)
            done.append((names.add(resource.edition) if resource.edition else NO_SYSTEM, rid))
    if done:
        pending.merge(connection)
        entry_changes.write_identifying(connection, rows)
        entry_changes.write(connection, rows.batch())
        connection.executemany("UPDATE resource SET indexed = ? WHERE rid = ?", done)
    return len(done)
