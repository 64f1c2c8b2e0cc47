"""Pages stay whole while others write: no row is lost, none comes twice."""

from __future__ import annotations

import asyncio
import random

import pytest

from store.entries import DateEntry, Entry, TokenEntry
from store.interface import Store
from store.query import Cursor, IdIn, Query, SortField, SortKey, TokenIs
from tests.contract.writes import commit, made

ROWS = 150

ORDERS: dict[str, tuple[SortKey, ...]] = {
    "creation": (),
    "newest-created": (SortKey(SortField.CREATED, descending=True),),
    "id": (SortKey(SortField.ID),),
    "last-updated": (SortKey(SortField.LAST_UPDATED),),
    "newest": (SortKey(SortField.LAST_UPDATED, descending=True),),
    "date": (SortKey(SortField.DATE, "date"),),
    "latest-date": (SortKey(SortField.DATE, "date", descending=True),),
    "status-then-date": (
        SortKey(SortField.TOKEN, "status", descending=True),
        SortKey(SortField.DATE, "date"),
    ),
}


def _entries(random: random.Random) -> tuple[Entry, ...]:
    entries: list[Entry] = [TokenEntry("kind", None, "x")]
    if random.random() < 0.7:
        at = random.randrange(20)
        entries.append(DateEntry("date", at, at + 1))
    if random.random() < 0.7:
        entries.append(TokenEntry("status", None, random.choice("abc")))
    return tuple(entries)


@pytest.mark.parametrize("where", [(), (TokenIs("kind", None, "x"),)], ids=["all", "some"])
@pytest.mark.parametrize("order", ORDERS)
async def test_rows_nobody_touches_come_exactly_once_while_others_write(
    store: Store, order: str, where: tuple[TokenIs, ...]
) -> None:
    chance = random.Random(f"{order}{where}")
    stable = [f"stable{at}" for at in range(ROWS)]
    entries = {id: _entries(chance) for id in stable}
    for at, id in enumerate(stable):
        write = made("Task", id, at_us=at // 3, entries=entries[id])
        noise = made("Task", f"noise{at}", at_us=at, entries=_entries(chance))
        await store.commit(commit(write, noise))
    seen: list[str] = []
    reading = asyncio.create_task(
        _read_all(store, Query("Task", where, ORDERS[order], limit=7), seen)
    )
    versions = dict.fromkeys(range(ROWS), 1)
    while not reading.done():
        at = chance.randrange(ROWS)
        versions[at] += 1
        deleted = versions[at] % 3 == 0
        write = made(
            "Task",
            f"noise{at}",
            version=versions[at],
            at_us=chance.randrange(2 * ROWS),
            method="DELETE" if deleted else "PUT",
            entries=_entries(chance),
        )
        new = made(
            "Task",
            f"new{sum(versions.values())}",
            at_us=chance.randrange(ROWS),
            entries=_entries(chance),
        )
        await store.commit(commit(write, new))
    await reading
    assert sorted(id for id in seen if id.startswith("stable")) == sorted(stable)
    if order == "creation":  # An order that no update changes.
        assert len(seen) == len(set(seen))


async def _read_all(store: Store, query: Query, seen: list[str]) -> None:
    for _ in range(60):
        page = await store.search(query)
        seen += [hit.version.id for hit in page.hits]
        if not page.more:
            return
        query = Query(query.type, query.where, query.sort, page.hits[-1].cursor, query.limit)
        await asyncio.sleep(0)
    # The writers outrun the pages: what is left is read without them.
    page = await store.search(Query(query.type, query.where, query.sort, query.after, limit=10_000))
    seen += [hit.version.id for hit in page.hits]


async def test_a_cursor_goes_on_after_its_row_even_when_that_row_is_gone(store: Store) -> None:
    await store.commit(commit(*(made("Task", str(at), at_us=at) for at in range(6))))
    sorts = ((), (SortKey(SortField.LAST_UPDATED),))
    firsts = [await store.search(Query("Task", (), sort, limit=3)) for sort in sorts]
    await store.commit(commit(made("Task", "2", version=2, method="DELETE", content=b"")))
    for sort, first in zip(sorts, firsts, strict=True):
        rest = await store.search(Query("Task", (), sort, first.hits[-1].cursor, limit=10))
        assert [hit.version.id for hit in rest.hits] == ["3", "4", "5"]
        assert not rest.more


async def test_a_cursor_survives_a_trip_through_plain_data(store: Store) -> None:
    """Links to the next page carry it: values are str, int, float or None."""
    await store.commit(commit(*(made("Task", str(at)) for at in range(4))))
    sort = (SortKey(SortField.DATE, "date"), SortKey(SortField.ID))
    first = await store.search(Query("Task", (), sort, limit=2))
    cursor = first.hits[-1].cursor
    assert cursor.values == (None, "1")
    copy = Cursor(tuple(cursor.values), int(cursor.position))
    rest = await store.search(Query("Task", (), sort, copy, limit=2))
    assert [hit.version.id for hit in rest.hits] == ["2", "3"]


async def test_a_cursor_goes_on_in_another_type_too(store: Store) -> None:
    """Creations are counted over all types, so that several queries can make one page."""
    types = ("One", "Two", "One", "Two", "Two", "One")
    for at, type in enumerate(types):
        entries = (DateEntry("date", at // 2, at // 2 + 1),)
        await store.commit(commit(made(type, str(at), entries=entries)))
    for sort in ((), (SortKey(SortField.DATE, "date"),), (SortKey(SortField.LAST_UPDATED),)):
        (third,) = (await store.search(Query("One", (IdIn(("2",)),), sort))).hits
        for type in set(types):
            page = await store.search(Query(type, (), sort, third.cursor))
            later = [str(at) for at in range(3, 6) if types[at] == type]
            assert [hit.version.id for hit in page.hits] == later
