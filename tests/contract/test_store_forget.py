"""What was deleted and keeps no history can be removed for good, so that records of a while leave nothing behind."""

from __future__ import annotations

import pytest

from store.entries import TokenEntry
from store.errors import VersionConflict
from store.interface import HistoryQuery, Store
from store.query import Query, TokenIs
from tests.contract.writes import commit, made

TYPE = "test:record"
RED = (TokenEntry("colour", None, "red"),)


async def record(store: Store, id: str, *, deleted_at_us: int | None = None) -> None:
    await store.commit(commit(made(TYPE, id, entries=RED, keep_history=False)))
    if deleted_at_us is not None:
        await store.commit(
            commit(
                made(
                    TYPE,
                    id,
                    version=2,
                    method="DELETE",
                    content=b"",
                    at_us=deleted_at_us,
                    keep_history=False,
                )
            )
        )


async def test_what_was_deleted_is_as_if_it_had_never_been(store: Store) -> None:
    await record(store, "a", deleted_at_us=10)
    await record(store, "b", deleted_at_us=10)
    await record(store, "last")
    assert await store.forget(TYPE, 11, limit=10) == 2
    assert await store.forget(TYPE, 11, limit=10) == 0
    assert await store.read(TYPE, "a") is None
    await record(store, "a")
    page = await store.search(Query(TYPE, (TokenIs("colour", None, "red"),)))
    assert sorted(hit.version.id for hit in page.hits) == ["a", "last"]


async def test_what_is_there_or_was_deleted_later_stays(store: Store) -> None:
    await record(store, "later", deleted_at_us=11)
    await record(store, "there")
    await record(store, "last")
    assert await store.forget(TYPE, 11, limit=10) == 0
    assert await store.forget("test:never", 11, limit=10) == 0
    deleted = await store.read(TYPE, "later")
    assert deleted is not None
    assert deleted.deleted
    with pytest.raises(VersionConflict):
        await record(store, "later")


async def test_a_history_is_never_forgotten(store: Store) -> None:
    await store.commit(commit(made("Patient", "a")))
    await store.commit(commit(made("Patient", "a", version=2, method="DELETE", content=b"")))
    await record(store, "last")
    assert await store.forget("Patient", 10_000_000, limit=10) == 0
    assert len(await store.history(HistoryQuery())) == 2


async def test_it_is_done_some_at_a_time(store: Store) -> None:
    for n in range(5):
        await record(store, str(n), deleted_at_us=10)
    await record(store, "last")
    assert [await store.forget(TYPE, 11, limit=2) for _ in range(3)] == [2, 2, 1]


async def test_what_comes_after_is_newer_than_all_that_was(store: Store) -> None:
    """Places in the order of commits are given once, also where the newest of them are forgotten."""
    await record(store, "a", deleted_at_us=10)
    before = await store.last_write(TYPE)
    await store.forget(TYPE, 11, limit=10)
    await record(store, "b", deleted_at_us=10)
    await store.forget(TYPE, 11, limit=10)
    await record(store, "c")
    assert await store.last_write(TYPE) > before
    found = await store.search(Query(TYPE, (TokenIs("colour", None, "red"),)))
    assert [hit.version.id for hit in found.hits] == ["c"]
