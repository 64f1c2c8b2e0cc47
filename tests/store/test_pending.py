"""Entry rows that wait to become part of the index change no answer, only what it costs (ADR 16)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from store.entries import DateEntry, Entry, TokenEntry
from store.errors import GuardFailed
from store.interface import Guard, Reindexed
from store.query import (
    Condition,
    IdIn,
    Query,
    ReferredBy,
    RefersTo,
    SortField,
    SortKey,
    TokenIs,
    WithinTree,
)
from store.sqlite import SqliteStore, apply, demand, writer
from tests.contract.search_examples import (
    QUESTIONS,
    STORED,
    Questions,
    Stored,
    answers_equal_a_plain_loop,
    guards_equal_a_plain_loop,
)
from tests.contract.writes import commit, made

NUMBER = TokenEntry("identifier", "urn:mrn", "1", identifying=True, guarding=True)
PHONE = TokenEntry("phone", "phone", "2", identifying=True)
STATUS = TokenEntry("status", "urn:s", "final")
BY_NUMBER = TokenIs("identifier", "urn:mrn", "1")
BY_PHONE = TokenIs("phone", None, "2")
BY_STATUS = TokenIs("status", "urn:s", "final")
ENTRIES: tuple[Entry, ...] = (NUMBER, PHONE, STATUS, DateEntry("date", 5, 6))


@pytest.fixture
async def store(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    """One that merges only what a search asks for, and goes on keeping rows pending after it."""
    monkeypatch.setattr(writer, "QUIET_S", 600)
    monkeypatch.setattr(demand, "LASTS_S", -1)
    opened = SqliteStore.open(data_dir)
    yield opened
    await opened.close()


def pending(store: SqliteStore) -> int:
    return int(store._readers.connection.execute("SELECT count(*) FROM pending").fetchone()[0])


async def ids(store: SqliteStore, type: str, *where: Condition) -> list[str]:
    return [hit.version.id for hit in (await store.search(Query(type, where))).hits]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(stored=STORED, questions=QUESTIONS)
async def test_searches_find_what_is_pending(
    store: SqliteStore, stored: Stored, questions: Questions
) -> None:
    await answers_equal_a_plain_loop(store, stored, questions)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(stored=STORED, questions=QUESTIONS)
async def test_guards_find_what_is_pending(
    store: SqliteStore, stored: Stored, questions: Questions
) -> None:
    await guards_equal_a_plain_loop(store, stored, questions)


async def test_what_guards_ask_for_is_found_without_merging(store: SqliteStore) -> None:
    await store.commit(commit(made("Patient", "p", entries=ENTRIES)))
    assert await ids(store, "Patient", BY_NUMBER) == ["p"]
    guard = Guard("Patient", (BY_NUMBER,), ())
    with pytest.raises(GuardFailed):
        await store.commit(commit(made("Patient", "q", entries=ENTRIES), guards=(guard,)))
    await store.commit(commit(made("Patient", "p", version=2, entries=(STATUS,))))
    assert await ids(store, "Patient", BY_NUMBER) == []
    assert pending(store) == 2
    assert await ids(store, "Patient", BY_STATUS) == ["p"]
    assert pending(store) == 0


@pytest.mark.parametrize(
    ("type", "where", "sort"),
    [
        ("Patient", (BY_STATUS,), ()),
        ("Patient", (BY_PHONE,), ()),
        ("Patient", (BY_NUMBER,), (SortKey(SortField.DATE, "date"),)),
        ("Patient", (RefersTo("part-of", "Task", (BY_STATUS,)),), ()),
        ("Patient", (WithinTree("part-of", "Task", "t", "part-of", above=False),), ()),
        ("Task", (RefersTo("subject", "Patient", (BY_NUMBER,)),), ()),
        ("Task", (ReferredBy("Patient", "subject", (BY_NUMBER,)),), ()),
        ("Task", (IdIn(("t",)), RefersTo("subject", "Patient", (BY_STATUS,))), ()),
    ],
)
async def test_a_search_of_the_type_or_through_it_merges(
    store: SqliteStore, type: str, where: tuple[Condition, ...], sort: tuple[SortKey, ...]
) -> None:
    await store.commit(commit(made("Task", "t")))
    await store.count(Query("Task", (BY_STATUS,)))
    await store.commit(commit(made("Patient", "p", entries=ENTRIES)))
    await store.search(Query(type, where, sort))
    assert pending(store) == 0


async def test_a_number_that_is_given_up_or_taken_while_it_is_pending(store: SqliteStore) -> None:
    await store.commit(commit(made("Patient", "p", entries=(NUMBER, PHONE))))
    await store.commit(commit(made("Patient", "q", entries=(NUMBER,))))
    await store.commit(commit(made("Patient", "p", version=2, entries=(STATUS,))))
    await store.commit(commit(made("Patient", "q", version=2, entries=(PHONE, STATUS))))
    assert await ids(store, "Patient", BY_PHONE) == ["q"]
    assert await ids(store, "Patient", BY_NUMBER) == []
    await store.commit(commit(made("Patient", "q", version=3, method="DELETE", content=b"")))
    assert await ids(store, "Patient", BY_PHONE) == []


async def test_a_search_of_another_type_does_not_merge(store: SqliteStore) -> None:
    await store.commit(commit(made("Task", "t", entries=ENTRIES)))
    assert await ids(store, "Task", BY_STATUS) == ["t"]
    await store.commit(commit(made("Patient", "p", entries=ENTRIES)))
    assert await ids(store, "Task", BY_STATUS) == ["t"]
    assert pending(store) == 1


async def test_after_a_search_that_merged_rows_go_into_the_index_at_once(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demand, "LASTS_S", 600)
    await store._writer.settle()
    await store.commit(commit(made("Patient", "p", entries=ENTRIES)))
    assert pending(store) == 0
    assert await ids(store, "Patient", BY_STATUS) == ["p"]


async def test_many_at_once_do_not_wait(store: SqliteStore) -> None:
    many = [made("Patient", str(at), entries=ENTRIES) for at in range(apply.MANY_RESOURCES)]
    await store.commit(commit(*many))
    assert pending(store) == 0


async def test_what_replaces_something_pending_at_once_comes_after_it(store: SqliteStore) -> None:
    await store.commit(commit(made("Patient", "0", entries=ENTRIES)))
    many = [
        made("Patient", str(at), version=2 - (at > 0), entries=(NUMBER,))
        for at in range(apply.MANY_RESOURCES)
    ]
    await store.commit(commit(*many))
    assert await ids(store, "Patient", BY_STATUS) == []


async def test_enough_of_it_is_merged_without_being_asked_for(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_PENDING", 3)
    for at in range(10):
        await store.commit(commit(made("Patient", str(at), entries=ENTRIES)))
    for _ in iter(lambda: pending(store) < 3, True):
        await asyncio.sleep(0)


async def test_it_is_merged_when_nothing_else_is_to_be_done(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUIET_S", 0.001)
    store = SqliteStore.open(data_dir)
    await store.commit(commit(made("Patient", "p", entries=ENTRIES)))
    for _ in iter(lambda: pending(store), 0):
        await asyncio.sleep(0)
    await store.close()


async def test_another_process_finds_what_is_pending(store: SqliteStore, data_dir: Path) -> None:
    await store.commit(commit(made("Patient", "p", entries=ENTRIES)))
    other = SqliteStore.open(data_dir)
    assert pending(other) == 1
    assert await ids(other, "Patient", BY_STATUS) == ["p"]
    await other.close()


async def test_reindexing_comes_after_what_is_pending(store: SqliteStore) -> None:
    await store.commit(commit(made("Patient", "p", entries=ENTRIES)))
    assert await store.reindex([Reindexed("Patient", "p", 1, (NUMBER,), "new")]) == 1
    assert await ids(store, "Patient", BY_STATUS) == []
    assert await ids(store, "Patient", BY_NUMBER) == ["p"]
