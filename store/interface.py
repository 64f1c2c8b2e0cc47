"""The contract that every storage backend keeps; ``tests/contract`` holds it to that.

A resource is bytes under (type, id). A commit is data: what to write, on which conditions; all of it lands or
nothing does, and when ``commit`` returns it survives power loss. ``type`` is any name: FHIR types and the
archive's own records (``dicom:instance``) live in the same store, so both can change in one commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from store.entries import Entry
from store.query import Condition, Cursor, Query


class Version(msgspec.Struct, frozen=True):
    """One version of a resource as stored. ``content`` is empty for a deletion."""

    type: str
    id: str
    version: int
    last_updated_us: int
    method: str
    """The interaction that made it: POST, PUT, PATCH, DELETE."""
    content: bytes
    blob: str | None = None
    """sha256 of the blob that holds this version's payload (Binary), if any."""

    @property
    def deleted(self) -> bool:
        return self.method == "DELETE"


class QueueAction(StrEnum):
    """What a write does to the queue entry beside the resource."""

    KEEP = "keep"
    PUT = "put"
    """Enter the queue, or change topic, priority or ready time; drops a lease and progress."""
    REMOVE = "remove"
    LEASE = "lease"
    """Take or renew the lease (``owner``, ``lease_expires_at_us``); counts an attempt when it was free.

    LeaseLost where there is no entry, or where another owner holds it: even a lease that has run out is
    taken over only after somebody has PUT the entry back.
    """


@dataclass(frozen=True, slots=True)
class QueueChange:
    """A change of the resource's queue entry, in the same commit as its version."""

    action: QueueAction = QueueAction.KEEP
    topics: tuple[str, ...] = ()
    """Whoever asks for any of these may claim it."""
    priority: int = 0
    """Higher first."""
    enqueued_at_us: int = 0
    """Older first among equals."""
    ready_at_us: int = 0
    """Not before (backoff)."""
    owner: str | None = None
    lease_expires_at_us: int = 0
    attempts: int | None = None
    """PUT sets the count of attempts (None keeps it, 0 for a new entry)."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """The queue entry beside a resource, as it is now."""

    type: str
    id: str
    topics: tuple[str, ...]
    priority: int
    enqueued_at_us: int
    ready_at_us: int
    owner: str | None
    lease_expires_at_us: int
    attempts: int
    progress: bytes
    """Stage and percent as the worker last reported them (opaque); empty: none."""


@dataclass(frozen=True, slots=True)
class Write:
    """A new version of one resource, with everything found by it.

    ``expected_version`` is the current version this one replaces (a deletion counts as a version); 0: there must
    be none. ``version`` is what it becomes, always greater. ``keep_history`` False (archive records): the
    version replaces the former and appears in no history.
    """

    type: str
    id: str
    version: int
    expected_version: int
    last_updated_us: int
    method: str
    content: bytes
    entries: tuple[Entry, ...] = ()
    blob: str | None = None
    blobs: tuple[str, ...] = ()
    """sha256 of every blob this resource needs to exist (they are kept as long as a version names them)."""
    queue: QueueChange | None = None
    keep_history: bool = True
    edition: str = ""
    """Names the extraction that made the entries: what another made is ``outdated``."""


@dataclass(frozen=True, slots=True)
class Reindexed:
    """New entries for a version that is there already, made by the extraction that ``edition`` names."""

    type: str
    id: str
    version: int
    entries: tuple[Entry, ...]
    edition: str


@dataclass(frozen=True, slots=True)
class Guard:
    """The query must find just these ids when the commit is made, else nothing of it is (conditional interactions)."""

    type: str
    where: tuple[Condition, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something that has to leave the process after the commit (audit, notifications): delivered at least once."""

    topic: str
    payload: bytes
    key: str
    """Deterministic, so that a receiver can drop a second delivery."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What lands together. ``unchanged`` are (type, id, version) that must still be current."""

    writes: tuple[Write, ...] = ()
    guards: tuple[Guard, ...] = ()
    outbox: tuple[Outgoing, ...] = ()
    unchanged: tuple[tuple[str, str, int], ...] = ()
    held: tuple[tuple[str, str, str], ...] = ()
    """(type, id, owner): the queue entry must be leased by this owner, whether or not the lease has run out."""


class Found(msgspec.Struct, frozen=True):
    """One search hit with the cursor that continues after it."""

    version: Version
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Page:
    hits: tuple[Found, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A version and its place in the store-wide order of commits."""

    version: Version
    sequence: int


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Newest first. ``types`` empty: every type that keeps history."""

    types: tuple[str, ...] = ()
    id: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    before_sequence: int | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class OutboxRow:
    sequence: int
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class BlobInfo:
    sha256: str
    size_bytes: int


class Blobs(Protocol):
    """Bytes by content hash. A blob is on disk before anything can name it; the same bytes are stored once."""

    async def put(self, data: bytes) -> BlobInfo: ...

    async def put_stream(self, chunks: AsyncIterator[bytes]) -> BlobInfo:
        """Streams to a staging file in the data directory; memory does not grow with the size."""
        ...

    async def put_file(self, path: str) -> BlobInfo:
        """Takes a staged file over (moved, not copied, where it can be)."""
        ...

    def staging(self) -> str:
        """A directory on the same file system for files that ``put_file`` will take over; emptied at start."""
        ...

    async def get(self, sha256: str) -> bytes: ...

    def stream(
        self, sha256: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]: ...

    async def info(self, sha256: str) -> BlobInfo | None: ...

    def local_path(self, sha256: str) -> str | None:
        """A readable file with the bytes, where the backend has one."""
        ...

    async def sweep(self, older_than_us: int) -> int:
        """Removes blobs that no stored version names and that were put before then; answers how many."""
        ...


class Store(Protocol):
    """Resources, history, search, queue, outbox and blobs of one deployment."""

    @property
    def blobs(self) -> Blobs: ...

    async def commit(self, commit: Commit) -> None:
        """All or nothing, durable on return.

        Raises:
            VersionConflict: a write's expected version or an ``unchanged`` one is not the current one.
            GuardFailed: a guard's query finds something else now.
            LeaseLost: a ``held`` or leased queue entry belongs to somebody else, or is gone.
            BlobNotFound: a blob that a write names is not there.
            StoreUnavailable: disk full, locked, read-only: nothing was written.
        """
        ...

    async def read(self, type: str, id: str) -> Version | None:
        """The current version, a deletion included; None where the id was never used."""
        ...

    async def read_many(self, keys: Sequence[tuple[str, str]]) -> list[Version | None]: ...

    async def read_version(self, type: str, id: str, version: int) -> Version | None: ...

    async def search(self, query: Query) -> Page:
        """A page of what matches now.

        Raises:
            SearchTooCostly: it was broken off.
        """
        ...

    async def count(self, query: Query) -> int:
        """How many the whole query matches (``sort``, ``after`` and ``limit`` do not count)."""
        ...

    async def vocabulary(self, type: str, param: str, limit: int) -> list[tuple[str | None, str]]:
        """The first (system, code) that current resources of ``type`` have as a token, or (None, uri), in order.

        Raises:
            SearchTooCostly: it was broken off.
        """
        ...

    async def outdated(self, type: str, edition: str, limit: int) -> list[Version]:
        """Current, undeleted resources whose entries another edition made."""
        ...

    async def count_outdated(self, type: str, edition: str, at_most: int) -> int:
        """How many there are, up to ``at_most``; with a small limit quick enough to ask in a search."""
        ...

    async def reindex(self, resources: Sequence[Reindexed]) -> int:
        """Makes these entries the ones by which the versions are found, atomically; answers for how many.

        It makes no versions and changes no time. One that is not the current version any more is left as it is.
        """
        ...

    async def forget(self, type: str, before_us: int, limit: int) -> int:
        """Removes for good what was deleted before then and keeps no history; answers how many, up to ``limit``.

        Its ids are then as if they had never been used. The newest of all resources may stay a while.
        """
        ...

    async def history(self, query: HistoryQuery) -> list[HistoryRow]: ...

    async def history_count(self, query: HistoryQuery) -> int: ...

    async def next_ready(
        self, type: str, topics: Sequence[str], now_us: int, limit: int = 1
    ) -> list[QueueEntry]:
        """Claimable entries (topic fits, ready, not leased): priority, then age. Claims nothing:
        the claim is a commit of the new version with ``QueueAction.LEASE``, which one of two callers wins.
        """
        ...

    async def queue_entry(self, type: str, id: str) -> QueueEntry | None: ...

    async def queue_entries(self, type: str, ids: Sequence[str]) -> dict[str, QueueEntry]: ...

    async def expired_leases(self, type: str, now_us: int, limit: int = 100) -> list[QueueEntry]:
        """Entries whose lease has run out, oldest first."""
        ...

    async def renew_lease(
        self, type: str, id: str, owner: str, lease_expires_at_us: int, progress: bytes | None
    ) -> bool:
        """Extends the lease and keeps the progress, without a new version. False: the lease is not the owner's."""
        ...

    async def queue_depth(self, type: str) -> dict[int, int]:
        """Waiting entries by priority."""
        ...

    async def last_write(self, type: str) -> int:
        """The place of the type's newest version in the order of commits; 0: there is none. Cheap enough to poll."""
        ...

    def mark(self, type: str) -> bytes:
        """Another one after every write of that type, by any process, that has been acknowledged; now and then without one.

        For what is asked at every request: it costs next to nothing.
        """
        ...

    async def wait_for_change(
        self, type: str, timeout_s: float, *, since: int | None = None
    ) -> None:
        """Returns when something of that type may have been written (by any process), or after the timeout.

        ``since`` is what ``last_write`` answered before the caller looked: where something was written after that, the
        wait is over at once. Without it, writes before the call are not noticed.
        """
        ...

    async def outbox(self, topic: str, limit: int = 100) -> list[OutboxRow]:
        """Undelivered rows in commit order."""
        ...

    async def outbox_done(self, sequences: Sequence[int]) -> None: ...

    async def close(self) -> None: ...
