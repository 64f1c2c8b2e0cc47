# ruff: noqa: S608 - table and column names are this package's own; every value is bound
"""What one group of commits does inside its transaction.

A commit is checked first and then noted; noted rows are written together, one statement a table. Whatever a later
commit of the group has to see (a guard's search, a second write of a resource) is written before. Entry rows may be
kept for later (``pending.py``): those of a few resources, while no search asks for them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from store.errors import BlobNotFound, GuardFailed, LeaseLost, VersionConflict
from store.interface import Commit, Guard, QueueAction, Write
from store.query import Query
from store.sqlite import entry_changes, pending, queue
from store.sqlite.guards import Guards
from store.sqlite.inserts import insert
from store.sqlite.names import NO_SYSTEM, Names
from store.sqlite.rows import EntryRows
from store.sqlite.search import matching_ids

MANY_RESOURCES = 64
"""So many written together change hardly fewer pages when they wait for more."""


@dataclass(slots=True)
class Current:
    """A resource as the transaction sees it. ``version`` 0: never used."""

    rid: int
    version: int
    sequence: int
    kept: bool


class Group:
    """The commits of one transaction. Made after BEGIN IMMEDIATE, gone with COMMIT or ROLLBACK."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        names: Names,
        blob_exists: Callable[[str], bool],
        *,
        entries_wait: bool,
    ) -> None:
        """``entries_wait``: nothing is likely to ask for the entry rows soon."""
        self._entries_wait = entries_wait
        self._connection = connection
        self._names = names
        self._blob_exists = blob_exists
        self._current: dict[tuple[str, str], Current | None] = {}
        self._entries: dict[int, EntryRows] = {}
        self._guards = Guards(connection, names)
        self._resources: dict[int, tuple[object, ...]] = {}
        self._versions: list[tuple[object, ...]] = []
        self._version_blobs: list[tuple[int, str]] = []
        self._outbox: list[tuple[str, str, bytes]] = []
        self._replaced: list[int] = []
        self.types: set[str] = set()
        """Types written so far."""
        self.content_bytes = 0
        self.pending = 0
        """How many resources' entry rows are kept for later."""
        row = connection.execute(
            "SELECT (SELECT max(rid) FROM resource), (SELECT max(sequence) FROM version)"
        ).fetchone()
        self._last_rid: int = row[0] or 0
        self._last_sequence: int = row[1] or 0

    def prefetch(self, commits: list[Commit]) -> None:
        """Reads what the commits will ask for in as few statements as possible."""
        keys = {(w.type, w.id) for c in commits for w in c.writes}
        keys.update((type, id) for c in commits for type, id, _ in (*c.unchanged, *c.held))
        self._load([key for key in keys if key not in self._current])
        self._guards.prefetch(guard for c in commits for guard in c.guards)

    def apply(self, commit: Commit) -> None:
        """Raises a StoreError before anything of the commit is noted."""
        self._check(commit)
        for write in commit.writes:
            self._note(write)
        self._outbox.extend((o.topic, o.key, o.payload) for o in commit.outbox)

    def flush(self) -> None:
        """Writes what is noted."""
        connection = self._connection
        if self._replaced:
            _delete(connection, "version", "sequence", self._replaced)
            _delete(connection, "version_blob", "sequence", self._replaced)
        insert(
            connection,
            "INSERT INTO resource (rid, type, id, version, sequence, updated, live, indexed)",
            list(self._resources.values()),
            "ON CONFLICT (rid) DO UPDATE SET version = excluded.version, sequence = excluded.sequence,"
            " updated = excluded.updated, live = excluded.live, indexed = excluded.indexed",
        )
        insert(
            connection,
            "INSERT INTO version (sequence, rid, type, version, updated, method, kept, blob, content)",
            self._versions,
        )
        insert(connection, "INSERT INTO version_blob (sequence, sha256)", self._version_blobs)
        self._write_entries()
        insert(connection, "INSERT INTO outbox (topic, key, payload)", self._outbox)
        for noted in (
            self._resources,
            self._versions,
            self._version_blobs,
            self._outbox,
            self._entries,
            self._replaced,
        ):
            noted.clear()

    def _write_entries(self) -> None:
        waits = self._entries_wait and len(self._resources) < MANY_RESOURCES
        if not waits and any(rows.superseded for rows in self._entries.values()):
            # Else what is pending of these resources would come after what is newer.
            pending.merge(self._connection)
        for type, rows in self._entries.items():
            entry_changes.write_identifying(self._connection, rows)
            if waits:
                pending.keep(self._connection, type, self._last_sequence, rows)
            else:
                entry_changes.write(self._connection, rows.batch())
        if waits:
            self.pending += len(self._resources)

    def _check(self, commit: Commit) -> None:
        if len({(w.type, w.id) for w in commit.writes}) != len(commit.writes):
            raise ValueError("a commit writes one resource twice")
        for write in commit.writes:
            if write.version <= write.expected_version:
                raise ValueError("a write's version is not greater than the one it replaces")
            self._check_version(write.type, write.id, write.expected_version)
        for type, id, version in commit.unchanged:
            self._check_version(type, id, version)
        for type, id, owner in commit.held:
            self._check_held(type, id, owner)
        for write in commit.writes:
            if write.queue is not None and write.queue.action is QueueAction.LEASE:
                self._check_leasable(write)
            for sha256 in _blobs_of(write):
                if not self._blob_exists(sha256):
                    raise BlobNotFound(f"there is no blob {sha256}")
        for guard in commit.guards:
            if self._matching(guard) != set(guard.ids):
                raise GuardFailed(guard.type)

    def _matching(self, guard: Guard) -> set[str]:
        found = self._guards.found(guard)
        if found is None:
            self.flush()
            pending.merge(self._connection)
            query = Query(guard.type, guard.where, limit=len(guard.ids) + 1)
            found = set(matching_ids(self._connection, self._names, query))
        return found

    def _check_version(self, type: str, id: str, expected: int) -> None:
        current = self._current.get((type, id))
        version = current.version if current else 0
        if version != expected:
            raise VersionConflict(type, id, expected, version)

    def _check_held(self, type: str, id: str, owner: str) -> None:
        current = self._current.get((type, id))
        if current is None or queue.owner(self._connection, current.rid) != owner:
            raise LeaseLost(type, id)

    def _check_leasable(self, write: Write) -> None:
        current = self._current.get((write.type, write.id))
        owner = write.queue.owner if write.queue else None
        if current is None or not queue.leasable(self._connection, current.rid, owner):
            raise LeaseLost(write.type, write.id)

    def _note(self, write: Write) -> None:
        type = self._names.add(write.type)
        superseded = 0
        current = self._current.get((write.type, write.id))
        if current is None:
            self._last_rid += 1
            current = Current(self._last_rid, 0, 0, kept=False)
            self._current[write.type, write.id] = current
        else:
            if current.rid in self._resources:
                self.flush()
            superseded = current.rid
            if not current.kept:
                self._replaced.append(current.sequence)
        self._last_sequence += 1
        rid, sequence, updated = current.rid, self._last_sequence, write.last_updated_us
        live = write.method != "DELETE"
        indexed = self._names.add(write.edition) if write.edition else NO_SYSTEM
        self._resources[rid] = (
            rid,
            type,
            write.id,
            write.version,
            sequence,
            updated,
            live,
            indexed,
        )
        self._versions.append(
            (
                sequence,
                rid,
                type,
                write.version,
                updated,
                write.method,
                write.keep_history,
                write.blob,
                write.content,
            )
        )
        self._version_blobs.extend((sequence, sha256) for sha256 in _blobs_of(write))
        entries = self._entries.get(type)
        if entries is None:
            entries = self._entries[type] = EntryRows()
        if superseded:
            entries.supersede(superseded)
        if live:
            entries.add(self._names, type, rid, updated, write.entries)
        current.version, current.sequence, current.kept = (
            write.version,
            sequence,
            write.keep_history,
        )
        self._guards.note(write)
        self.types.add(write.type)
        self.content_bytes += len(write.content)
        if not live:
            queue.remove(self._connection, rid)
        elif write.queue is not None:
            queue.change(self._connection, rid, type, write.queue)

    def _load(self, keys: list[tuple[str, str]]) -> None:
        self._current.update(dict.fromkeys(keys))
        numbers = {type: self._names.find(type) for type in {type for type, _ in keys}}
        wanted = [(id, numbers[type], type) for type, id in keys if numbers[type] is not None]
        for at in range(0, len(wanted), 64):
            chunk = wanted[at : at + 64]
            chunk += [("", -1, "")] * (_round_up(len(chunk)) - len(chunk))
            parameters = [value for id, number, _ in chunk for value in (id, number)]
            rows = self._connection.execute(_current_statement(len(chunk)), parameters).fetchall()
            for id, type, rid, version, sequence, kept in rows:
                key = (self._names.text(type), id)
                self._current[key] = Current(rid, version, sequence, bool(kept))


def _blobs_of(write: Write) -> set[str]:
    return {*write.blobs, write.blob} if write.blob else set(write.blobs)


def _round_up(count: int) -> int:
    return next(size for size in (1, 4, 16, 64) if size >= count)


def _current_statement(count: int) -> str:
    return (
        f"WITH wanted (id, type) AS (VALUES {', '.join(['(?, ?)'] * count)})"
        " SELECT r.id, r.type, r.rid, r.version, r.sequence, v.kept FROM wanted w"
        " CROSS JOIN resource r ON r.id = w.id AND r.type = w.type"
        " CROSS JOIN version v ON v.sequence = r.sequence"
    )


def _delete(connection: sqlite3.Connection, table: str, column: str, numbers: list[int]) -> None:
    connection.execute(
        f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",
        (f"[{','.join(map(str, numbers))}]",),
    )
