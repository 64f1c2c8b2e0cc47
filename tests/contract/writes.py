"""Short ways to say a write, for tests that are about something else."""

from __future__ import annotations

from store.entries import Entry
from store.interface import Commit, Guard, Outgoing, QueueAction, QueueChange, Write


def made(
    type: str,
    id: str,
    *,
    version: int = 1,
    after: int | None = None,
    at_us: int = 1_000,
    method: str = "",
    content: bytes | None = None,
    entries: tuple[Entry, ...] = (),
    blobs: tuple[str, ...] = (),
    queue: QueueChange | None = None,
    keep_history: bool = True,
    edition: str = "",
) -> Write:
    """A write of ``version``, by default of the one after ``version - 1``."""
    expected = version - 1 if after is None else after
    return Write(
        type=type,
        id=id,
        version=version,
        expected_version=expected,
        last_updated_us=at_us,
        method=method or ("POST" if expected == 0 else "PUT"),
        content=f"{type}/{id}/{version}".encode() if content is None else content,
        entries=entries,
        blobs=blobs,
        queue=queue,
        keep_history=keep_history,
        edition=edition,
    )


def commit(
    *writes: Write, guards: tuple[Guard, ...] = (), outbox: tuple[Outgoing, ...] = ()
) -> Commit:
    return Commit(writes=writes, guards=guards, outbox=outbox)


def enqueued(
    *topics: str, priority: int = 0, at_us: int = 0, ready_us: int = 0, attempts: int | None = None
) -> QueueChange:
    return QueueChange(QueueAction.PUT, topics, priority, at_us, ready_us, attempts=attempts)


def leased(owner: str, until_us: int) -> QueueChange:
    return QueueChange(QueueAction.LEASE, owner=owner, lease_expires_at_us=until_us)
