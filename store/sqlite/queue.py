# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""The queue entry beside a resource: waiting (in ``queue_waiting``, one row a topic) or leased (has an owner)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from heapq import merge
from itertools import islice

from store.interface import QueueAction, QueueChange, QueueEntry
from store.sqlite.names import Names

_COLUMNS = (
    "r.id, q.topics, q.priority, q.enqueued, q.ready, q.owner, q.expires, q.attempts, q.progress"
)
_Row = tuple[str, str, int, int, int, str | None, int, int, bytes]


def change(connection: sqlite3.Connection, rid: int, type: int, change: QueueChange) -> None:
    """Applies a write's change of its queue entry, inside the writer's transaction."""
    if change.action is QueueAction.PUT:
        _put(connection, rid, type, change)
    elif change.action is QueueAction.LEASE:
        _lease(connection, rid, change)
    elif change.action is QueueAction.REMOVE:
        remove(connection, rid)


def remove(connection: sqlite3.Connection, rid: int) -> None:
    connection.execute("DELETE FROM queue WHERE rid = ?", (rid,))
    connection.execute("DELETE FROM queue_waiting WHERE rid = ?", (rid,))


def leasable(connection: sqlite3.Connection, rid: int, owner: str | None) -> bool:
    """Whether there is an entry that nobody, or this owner, holds."""
    statement = "SELECT 1 FROM queue WHERE rid = ? AND (owner IS NULL OR owner = ?)"
    return connection.execute(statement, (rid, owner)).fetchone() is not None


def owner(connection: sqlite3.Connection, rid: int) -> str | None:
    """Who holds the lease; None: nobody, or there is no entry."""
    row = connection.execute("SELECT owner FROM queue WHERE rid = ?", (rid,)).fetchone()
    return row[0] if row else None


def renew(
    connection: sqlite3.Connection,
    names: Names,
    type: str,
    id: str,
    owner: str,
    expires_us: int,
    progress: bytes | None,
) -> bool:
    """False: the lease is not the owner's."""
    cursor = connection.execute(
        "UPDATE queue SET expires = ?, progress = coalesce(?, progress) WHERE owner = ?"
        " AND rid = (SELECT rid FROM resource WHERE id = ? AND type = ?)",
        (expires_us, progress, owner, id, names.find(type)),
    )
    return cursor.rowcount == 1


def next_ready(
    connection: sqlite3.Connection,
    names: Names,
    type: str,
    topics: Sequence[str],
    now_us: int,
    limit: int,
) -> list[QueueEntry]:
    """Ready and not leased, in order of priority and age."""
    number = names.find(type)
    by_topic = [
        connection.execute(
            "SELECT -priority, enqueued, rid FROM queue_waiting WHERE type = ? AND topic = ? AND ready <= ?"
            " ORDER BY priority DESC, enqueued, rid LIMIT ?",
            (number, topic, now_us, limit),
        ).fetchall()
        for topic in set(topics)
    ]
    order = dict.fromkeys(rid for _, _, rid in merge(*by_topic))
    rids = list(islice(order, limit))
    rows = connection.execute(
        f"SELECT q.rid, {_COLUMNS} FROM queue q JOIN resource r ON r.rid = q.rid"
        " WHERE q.rid IN (SELECT value FROM json_each(?))",
        (json.dumps(rids),),
    ).fetchall()
    entries = {row[0]: _entry(type, row[1:]) for row in rows}
    return [entries[rid] for rid in rids if rid in entries]


def entries(
    connection: sqlite3.Connection, names: Names, type: str, ids: Sequence[str]
) -> dict[str, QueueEntry]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM json_each(?) w CROSS JOIN resource r ON r.id = w.value AND r.type = ?"
        " CROSS JOIN queue q ON q.rid = r.rid",
        (json.dumps(list(ids)), names.find(type)),
    )
    return {row[0]: _entry(type, row) for row in rows}


def expired(
    connection: sqlite3.Connection, names: Names, type: str, now_us: int, limit: int
) -> list[QueueEntry]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM queue q INDEXED BY queue_expires CROSS JOIN resource r ON r.rid = q.rid"
        " WHERE q.type = ? AND q.expires <= ? AND q.owner IS NOT NULL ORDER BY q.expires LIMIT ?",
        (names.find(type), now_us, limit),
    )
    return [_entry(type, row) for row in rows]


def depth(connection: sqlite3.Connection, names: Names, type: str) -> dict[int, int]:
    return dict(
        connection.execute(
            "SELECT priority, count(*) FROM queue WHERE type = ? AND owner IS NULL GROUP BY priority",
            (names.find(type),),
        ).fetchall()
    )


def _put(connection: sqlite3.Connection, rid: int, type: int, change: QueueChange) -> None:
    connection.execute(
        "INSERT INTO queue (rid, type, topics, priority, enqueued, ready, owner, expires, attempts, progress)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, 0, coalesce(?7, 0), x'')"
        " ON CONFLICT (rid) DO UPDATE SET topics = excluded.topics, priority = excluded.priority,"
        " enqueued = excluded.enqueued, ready = excluded.ready, owner = NULL, expires = 0,"
        " attempts = coalesce(?7, attempts), progress = x''",
        (
            rid,
            type,
            json.dumps(change.topics),
            change.priority,
            change.enqueued_at_us,
            change.ready_at_us,
            change.attempts,
        ),
    )
    connection.execute("DELETE FROM queue_waiting WHERE rid = ?", (rid,))
    connection.executemany(
        "INSERT INTO queue_waiting (type, topic, priority, enqueued, rid, ready) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (type, topic, change.priority, change.enqueued_at_us, rid, change.ready_at_us)
            for topic in set(change.topics)
        ],
    )


def _lease(connection: sqlite3.Connection, rid: int, change: QueueChange) -> None:
    connection.execute(
        "UPDATE queue SET attempts = attempts + (owner IS NOT ?1), owner = ?1, expires = ?2 WHERE rid = ?3",
        (change.owner, change.lease_expires_at_us, rid),
    )
    connection.execute("DELETE FROM queue_waiting WHERE rid = ?", (rid,))


def _entry(type: str, row: _Row) -> QueueEntry:
    id, topics, priority, enqueued, ready, owner, expires, attempts, progress = row
    return QueueEntry(
        type,
        id,
        tuple(json.loads(topics)),
        priority,
        enqueued,
        ready,
        owner,
        expires,
        attempts,
        progress,
    )
