"""A full disk fails the commits that meet it, harms nothing, and is over when there is room again."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from store.errors import StoreUnavailable
from store.query import Query
from store.sqlite import SqliteStore
from tests.contract.writes import commit, made

BIG = b"x" * 200_000


async def test_commits_on_a_full_disk_fail_whole_and_the_store_goes_on(store: SqliteStore) -> None:
    """SQLite's own limit stands in for the disk's: it fails at the same place with the same code."""
    connection = store._writer._connection
    await store.commit(commit(made("Patient", "before")))
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 60}")
    big = [commit(made("Patient", f"big{at}", content=BIG)) for at in range(10)]
    small = [commit(made("Task", f"small{at}")) for at in range(3)]
    results = await asyncio.gather(*map(store.commit, [*big, *small]), return_exceptions=True)
    failed = [result for result in results if result is not None]
    assert failed
    assert all(isinstance(error, StoreUnavailable) for error in failed)
    assert "full" in str(failed[0])
    assert await store.count(Query("Patient")) + await store.count(Query("Task")) == 14 - len(
        failed
    )
    connection.execute("PRAGMA max_page_count = 1073741823")
    again = [one for one, result in zip([*big, *small], results, strict=True) if result is not None]
    await asyncio.gather(*map(store.commit, again))
    assert await store.count(Query("Patient")) == 11
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_blob_on_a_full_disk_leaves_nothing_behind(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            await store.blobs.put(BIG)
    assert list(os.scandir(store.blobs.staging())) == []
    info = await store.blobs.put(BIG)
    assert await store.blobs.get(info.sha256) == BIG
