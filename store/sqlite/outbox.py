"""What has to leave the process after its commit, until somebody says that it has left."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from store.interface import OutboxRow, Outgoing
from store.sqlite.names import Names


def undelivered(connection: sqlite3.Connection, topic: str, limit: int) -> list[OutboxRow]:
    rows = connection.execute(
        "SELECT sequence, topic, payload, key FROM outbox WHERE topic = ? ORDER BY sequence LIMIT ?",
        (topic, limit),
    )
    return [OutboxRow(sequence, Outgoing(*rest)) for sequence, *rest in rows]


def remove(connection: sqlite3.Connection, _: Names, sequences: Sequence[int]) -> None:
    connection.executemany(
        "DELETE FROM outbox WHERE sequence = ?", [(sequence,) for sequence in sequences]
    )
