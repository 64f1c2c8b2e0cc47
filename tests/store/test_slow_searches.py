"""Slow searches are broken off, and nobody else waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.entries import StringEntry
from store.errors import SearchTooCostly, TooManySearches
from store.interface import Guard
from store.query import Query, StringIs, StringMatch
from store.sqlite import SqliteStore, readers, search
from store.sqlite.matches import Sql
from tests.contract.writes import commit, made

SHORT_S = 0.3
LONG_S = 60.0


def counting(to: int) -> Sql:
    """A SELECT of as many steps as it is told; its text says so, as each kind of search has a text of its own."""
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {to})"
    return Sql(f"{numbers} SELECT count(*) FROM n")


ENDLESS = counting(1_000_000_000_000)
MEDIUM = counting(50_000)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path, search_limit_s=SHORT_S)
    yield store
    await store.close()


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store with much patience."""
    store = SqliteStore.open(tmp_path / "patient", search_limit_s=LONG_S)
    yield store
    await store.close()


async def slow_ones(store: SqliteStore, count: int) -> None:
    """Returns when so many run or wait."""
    while store._readers._slow_count < count:  # noqa: ASYNC110 - a count that has no event
        await asyncio.sleep(0)


async def test_a_search_is_broken_off_when_its_time_is_over(store: SqliteStore) -> None:
    with pytest.raises(SearchTooCostly):
        await store._readers.fetch(ENDLESS)
    assert await store._readers.fetch(counting(3)) == [(3,)]


async def test_what_is_quick_or_takes_a_moment_waits_for_no_slow_one(patient: SqliteStore) -> None:
    fetch = patient._readers.fetch
    await patient.commit(commit(made("Patient", "p")))
    slow = [asyncio.create_task(fetch(ENDLESS)) for _ in range(4)]
    await slow_ones(patient, 4)
    for _ in range(20):
        assert await fetch(MEDIUM) == [(50_000,)]
        assert await patient.read("Patient", "p") is not None
        assert len((await patient.search(Query("Patient"))).hits) == 1
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)


async def test_only_so_many_slow_ones_wait(
    patient: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MOST_SLOW", 3)
    slow = [asyncio.create_task(patient._readers.fetch(ENDLESS)) for _ in range(3)]
    await slow_ones(patient, 3)
    with pytest.raises(TooManySearches):
        await patient._readers.fetch(ENDLESS)
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)
    assert patient._readers._slow_count == 0


async def test_a_search_that_nobody_waits_for_any_more_ends(
    patient: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MEDIUM_STEPS", 0)
    slow = asyncio.create_task(patient._readers.fetch(ENDLESS))
    await slow_ones(patient, 1)
    slow.cancel()
    await asyncio.wait([slow])
    # There is one thread for the slow: this one has it now.
    assert await patient._readers.fetch(MEDIUM) == [(50_000,)]


async def test_the_time_of_waiting_counts(store: SqliteStore) -> None:
    tasks = [asyncio.create_task(store._readers.fetch(ENDLESS)) for _ in range(6)]
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 6 * LONG_S)
    assert {type(result) for result in results} == {SearchTooCostly}


async def test_a_guard_that_takes_long_stops_no_other_write(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = (StringEntry("name", "anna", "Anna"),)
    await store.commit(commit(*(made("Patient", f"p{n}", entries=named) for n in range(200))))
    monkeypatch.setattr(search, "STEPS_A_LOOK", 100)
    monkeypatch.setattr(search, "GUARD_LOOKS", 2)
    looking = Guard("Patient", (StringIs("name", StringMatch.CONTAINS, "x"),), ())
    results = await asyncio.gather(
        store.commit(commit(made("Patient", "guarded"), guards=(looking,))),
        store.commit(commit(made("Patient", "free"))),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [SearchTooCostly, type(None)]
    assert await store.read("Patient", "guarded") is None
    assert await store.read("Patient", "free") is not None
    monkeypatch.undo()
    await store.commit(commit(made("Patient", "guarded"), guards=(looking,)))
