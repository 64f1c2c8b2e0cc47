"""The embedded sink: a store of its own beside the data, with the events, found as any resource is, and their chain.

Events, their block and the head land in one commit. The head names the version that it replaces, so whoever appends at the
same time begins again on the new one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import orjson

from audit.balp import Event
from audit.chain import Block, Head, appended
from audit.signing import Checkpoint, Signed, Signer
from store.entries import DateEntry, Entry
from store.errors import VersionConflict
from store.interface import Commit, Store, Version, Write
from store.query import Condition, Cursor, Query

EVENT: Final = "AuditEvent"
BLOCK: Final = "audit:block"
HEAD: Final = "audit:head"
CHECKPOINT: Final = "audit:checkpoint"
EXPIRY: Final = "audit:expiry"
RECORDED: Final = "recorded"
"""The parameter by which blocks are found: when their events were recorded."""

PAGE: Final = 1000

_T = TypeVar("_T")


class Indexed(msgspec.Struct, frozen=True):
    """What events are found by."""

    entries_of: Callable[[dict[str, Any]], tuple[Entry, ...]]
    edition: str


class SqliteSink:
    """A ``Sink`` on a ``Store``."""

    def __init__(self, store: Store, index: Indexed, signer: Signer, checkpoints: Path) -> None:
        """``checkpoints``: a file that every checkpoint is appended to as well, to be kept elsewhere."""
        self._store = store
        self._index = index
        self._signer = signer
        self._checkpoints = checkpoints

    async def deliver(self, events: Sequence[Event]) -> int:
        by_id = {event.id: event for event in events}
        known = await self._store.read_many([(EVENT, id) for id in by_id])
        fresh = [e for e, version in zip(by_id.values(), known, strict=True) if version is None]
        if not fresh:
            return 0
        kept = tuple(self._kept(event) for event in fresh)
        while True:
            version = await self._store.read(HEAD, "0")
            head = decoded(version, Head) or Head()
            block, head = appended(head, fresh)
            high_us = block.header.high_us
            found = (DateEntry(RECORDED, block.header.low_us, high_us + 1),)
            chained = (
                record(BLOCK, block_id(block.header.number), block, high_us, entries=found),
                record(HEAD, "0", head, high_us, version.version if version else 0),
            )
            try:
                await self._store.commit(Commit(writes=(*kept, *chained)))
            except VersionConflict as conflict:
                if conflict.type == EVENT:  # somebody else delivers the same
                    return await self.deliver(fresh)
                continue
            return len(fresh)

    async def checkpoint(self, at_us: int) -> None:
        head = decoded(await self._store.read(HEAD, "0"), Head) or Head()
        id = block_id(head.blocks)
        if head.blocks == 0 or await self._store.read(CHECKPOINT, id):
            return
        signed = self._signer.sign(
            Checkpoint(head.blocks, head.events, head.hash, head.root, at_us)
        )
        _append(self._checkpoints, msgspec.json.encode(signed))
        await self._store.commit(Commit(writes=(record(CHECKPOINT, id, signed, at_us),)))

    async def close(self) -> None:
        await self._store.close()

    def _kept(self, event: Event) -> Write:
        return Write(
            type=EVENT,
            id=event.id,
            version=1,
            expected_version=0,
            last_updated_us=event.recorded_us,
            method="POST",
            content=event.content,
            entries=self._index.entries_of(orjson.loads(event.content)),
            keep_history=False,
            edition=self._index.edition,
        )


def block_id(number: int) -> str:
    """Of the block with that number, and of the checkpoint at that many blocks."""
    return f"{number:012d}"


def record(
    type: str,
    id: str,
    content: Block | Head | Signed,
    at_us: int,
    expected_version: int = 0,
    *,
    entries: tuple[Entry, ...] = (),
) -> Write:
    """A write of one of the chain's own records."""
    return Write(
        type=type,
        id=id,
        version=expected_version + 1,
        expected_version=expected_version,
        last_updated_us=at_us,
        method="PUT",
        content=msgspec.json.encode(content),
        entries=entries,
        keep_history=False,
    )


async def every(
    store: Store, type: str, where: tuple[Condition, ...] = ()
) -> AsyncIterator[Version]:
    """All records or events of a type, in the order in which they were made."""
    after: Cursor | None = None
    while True:
        page = await store.search(Query(type, where, after=after, limit=PAGE))
        for hit in page.hits:
            yield hit.version
        if not page.more:
            return
        after = page.hits[-1].cursor


def decoded(version: Version | None, type: type[_T]) -> _T | None:
    """What a record holds; None where there is none, or nothing that can be read."""
    if version is None or version.deleted:
        return None
    try:
        return msgspec.json.decode(version.content, type=type)
    except msgspec.MsgspecError:
        return None


def _append(path: Path, line: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, line + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
