"""The log is copied beside the commits, begins anew, and never keeps a close waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from store.query import Query
from store.sqlite import SqliteStore, checkpoints
from store.sqlite.connections import FILE_NAME
from tests.contract.writes import commit, made

MIB = 1 << 20


async def test_the_log_does_not_grow_with_what_is_written(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOG_PAGES", 200)
    store = SqliteStore.open(data_dir)
    for at in range(400):
        await store.commit(commit(made("Patient", str(at), content=b"x" * 50_000)))
    size = (data_dir / f"{FILE_NAME}-wal").stat().st_size
    await store.close()
    assert size < 12 * MIB
    again = SqliteStore.open(data_dir)
    assert await again.count(Query("Patient")) == 400
    await again.close()


async def test_a_close_in_the_middle_of_a_checkpoint_ends(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOG_PAGES", 1)
    for turn in range(10):
        store = SqliteStore.open(data_dir)
        await store.commit(commit(made("Patient", str(turn), content=b"x" * MIB)))
        await asyncio.wait_for(store.close(), 60)
