"""An audit of its own on a real store."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from audit.balp import Event
from audit.signing import Signed, Signer
from audit.sqlite import Indexed, SqliteSink
from audit.verify import Verdict, verify
from store.sqlite import SqliteStore
from tests.audit.samples import AT_US

EVENTS = Indexed(lambda _: (), "test")


@dataclass
class Audit:
    """A sink that can be closed, changed behind its back, and opened again."""

    folder: Path
    store: SqliteStore
    sink: SqliteSink
    signer: Signer

    @classmethod
    def open(cls, folder: Path) -> Audit:
        store = SqliteStore.open(folder / "store")
        signer = Signer(folder)
        return cls(folder, store, SqliteSink(store, EVENTS, signer, folder / "elsewhere"), signer)

    async def verdict(self, *elsewhere: Signed) -> Verdict:
        return await verify(self.store, self.signer.public, elsewhere)

    async def faults(self, *elsewhere: Signed) -> set[tuple[str, str]]:
        found = await self.verdict(*elsewhere)
        return {(str(one.fault), one.what) for one in found.findings}

    def kept_elsewhere(self) -> list[Signed]:
        lines = (self.folder / "elsewhere").read_bytes().splitlines()
        return [msgspec.json.decode(line, type=Signed) for line in lines]

    @contextmanager
    def behind_its_back(self) -> Iterator[sqlite3.Connection]:
        """The database itself, as somebody with the disk has it."""
        connection = sqlite3.connect(self.folder / "store" / "store.sqlite3")
        try:
            with connection:
                yield connection
        finally:
            connection.close()


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncIterator[Audit]:
    audit = Audit.open(tmp_path / "audit")
    yield audit
    await audit.store.close()


def event(number: int, at_us: int | None = None) -> Event:
    """Event ``e<number>``."""
    content = b'{"resourceType":"AuditEvent","id":"e%d","text":"%d"}' % (number, number)
    return Event(f"e{number}", AT_US + number if at_us is None else at_us, content)


async def three_blocks(audit: Audit) -> None:
    """Nine events in three blocks; a checkpoint after the second and after the third."""
    for block in range(3):
        await audit.sink.deliver([event(3 * block + n) for n in range(3)])
        if block:
            await audit.sink.checkpoint(AT_US + block)
