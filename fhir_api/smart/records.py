"""What an authorisation has to remember for a while: records that every process sees and that end by themselves.

They lie in the store under types of their own (with a colon: no route reaches them, no history shows them). A record's
id is a digest, so who reads the store learns neither a handle nor a token from it.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from store.entries import DateEntry
from store.errors import VersionConflict
from store.interface import Commit, Store, Version, Write
from store.query import Compare, DateIs, Query

SWEPT_AT_ONCE = 200
FORGOTTEN_AT_ONCE = 1000
FORGOTTEN_AFTER_US = 3600 * 1_000_000


class Record(Protocol):
    """What can be kept: a struct that says when it ends."""

    @property
    def expires_us(self) -> int: ...


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Kept(Generic[R]):
    """A record with the version of it that was read: who replaces it names that, so one of two gets it."""

    id: str
    version: int
    record: R


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """One kind of record. ``name`` is its type in the store: ``smart:context``."""

    name: str
    struct: type[R]

    async def read(self, store: Store, key: str, now_us: int) -> Kept[R] | None:
        """What is kept under ``key``; None where nothing is, or where it has ended."""
        version = await store.read(self.name, digest(key))
        if version is None or version.deleted:
            return None
        record = msgspec.json.decode(version.content, type=self.struct)
        return Kept(version.id, version.version, record) if record.expires_us > now_us else None

    def write(self, key: str, record: R, now_us: int) -> Write:
        """The write that keeps a new record. Its commit fails (VersionConflict) where the key was ever used."""
        return self._write(digest(key), 0, record, now_us)

    def replacement(self, kept: Kept[R], record: R, now_us: int) -> Write:
        """The write that puts ``record`` in the place of what was read, unless somebody was quicker."""
        return self._write(kept.id, kept.version, record, now_us)

    def removal(self, kept: Kept[R], now_us: int) -> Write:
        """The write after which nothing is kept; its commit fails (VersionConflict) where somebody was quicker."""
        return _removal(self.name, kept.id, kept.version, now_us)

    def _write(self, id: str, version: int, record: R, now_us: int) -> Write:
        return Write(
            type=self.name,
            id=id,
            version=version + 1,
            expected_version=version,
            last_updated_us=now_us,
            method="PUT" if version else "POST",
            content=msgspec.json.encode(record),
            entries=(DateEntry("expires", record.expires_us, record.expires_us + 1),),
            keep_history=False,
        )


def digest(key: str) -> str:
    """The id that a record has under ``key``, a handle or token of any length."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


async def remove_ended(store: Store, name: str, now_us: int) -> int:
    """Removes records of that kind that have ended, some at a time; answers how many.

    What was removed before is forgotten for good. It is forgotten later than it ends, so a handle that works once is
    known as used for as long as anybody could take it for a good one.
    """
    await store.forget(name, now_us - FORGOTTEN_AFTER_US, FORGOTTEN_AT_ONCE)
    ended = DateIs("expires", Compare.LT, now_us, now_us + 1)
    page = await store.search(Query(name, (ended,), limit=SWEPT_AT_ONCE))
    for hit in page.hits:
        with suppress(VersionConflict):
            await store.commit(Commit(writes=(_removed(hit.version, now_us),)))
    return len(page.hits)


def _removed(version: Version, now_us: int) -> Write:
    return _removal(version.type, version.id, version.version, now_us)


def _removal(type: str, id: str, version: int, now_us: int) -> Write:
    return Write(
        type=type,
        id=id,
        version=version + 1,
        expected_version=version,
        last_updated_us=now_us,
        method="DELETE",
        content=b"",
        keep_history=False,
    )
