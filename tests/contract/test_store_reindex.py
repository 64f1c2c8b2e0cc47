"""Entries are made again without a new version: what was made by another edition of the extraction is found."""

from __future__ import annotations

from store.entries import DateEntry, QuantityEntry, StringEntry, TokenEntry
from store.interface import Reindexed, Store
from store.query import Query, SortField, SortKey, StringIs, StringMatch, TokenIs
from tests.contract.writes import commit, made

MANY = 1_000


def red(code: str = "red") -> TokenEntry:
    return TokenEntry("colour", None, code)


async def coloured(store: Store, colour: str) -> list[str]:
    page = await store.search(Query("Patient", (TokenIs("colour", None, colour),)))
    return [hit.version.id for hit in page.hits]


async def outdated(store: Store, edition: str, limit: int = MANY) -> list[str]:
    found = await store.outdated("Patient", edition, limit)
    assert await store.count_outdated("Patient", edition, limit) == len(found)
    return [version.id for version in found]


async def test_what_another_edition_made_is_outdated(store: Store) -> None:
    await store.commit(
        commit(
            made("Patient", "a", edition="1"),
            made("Patient", "b", edition="2"),
            made("Patient", "c"),
            made("Patient", "d", edition="2"),
            made("Observation", "e", edition="1"),
        )
    )
    assert sorted(await outdated(store, "1")) == ["b", "c", "d"]
    assert sorted(await outdated(store, "2")) == ["a", "c"]
    assert sorted(await outdated(store, "")) == ["a", "b", "d"]
    assert sorted(await outdated(store, "never seen")) == ["a", "b", "c", "d"]
    assert len(await outdated(store, "never seen", 2)) == 2
    assert await store.outdated("Basic", "1", MANY) == []


async def test_a_deleted_resource_is_not_outdated_and_an_updated_one_is_as_its_update(
    store: Store,
) -> None:
    await store.commit(commit(made("Patient", "a", edition="1"), made("Patient", "b", edition="1")))
    await store.commit(
        commit(
            made("Patient", "a", version=2, method="DELETE"),
            made("Patient", "b", version=2, edition="2"),
        )
    )
    assert await outdated(store, "2") == []
    assert await outdated(store, "1") == ["b"]


async def test_new_entries_take_the_place_of_the_old_and_nothing_else_changes(store: Store) -> None:
    old = (red(), StringEntry("name", "anna", "Anna"), DateEntry("born", 1, 2))
    await store.commit(commit(made("Patient", "a", at_us=50, entries=old, edition="1")))
    before = await store.read("Patient", "a")
    new = (red("blue"), StringEntry("name", "anna", "Anna"), QuantityEntry("mass", 1, 1, None, "g"))
    assert await store.reindex([Reindexed("Patient", "a", 1, new, "2")]) == 1
    assert await coloured(store, "red") == []
    assert await coloured(store, "blue") == ["a"]
    name = StringIs("name", StringMatch.STARTS, "an")
    assert len((await store.search(Query("Patient", (name,)))).hits) == 1
    by_date = Query("Patient", sort=(SortKey(SortField.DATE, "born"),))
    assert (await store.search(by_date)).hits[0].cursor.values == (None,)
    assert await store.read("Patient", "a") == before
    assert await outdated(store, "2") == []


async def test_an_order_of_update_stays_what_it_was(store: Store) -> None:
    for number, id in enumerate("cab"):
        await store.commit(commit(made("Patient", id, at_us=10 * number, edition="1")))
    again = [Reindexed("Patient", id, 1, (red(),), "2") for id in "bca"]
    assert await store.reindex(again) == 3
    newest = Query(
        "Patient",
        (TokenIs("colour", None, "red"),),
        (SortKey(SortField.LAST_UPDATED, descending=True),),
    )
    assert [hit.version.id for hit in (await store.search(newest)).hits] == ["b", "a", "c"]


async def test_a_version_that_is_not_the_current_one_is_left_alone(store: Store) -> None:
    await store.commit(commit(made("Patient", "a", edition="1"), made("Patient", "b", edition="1")))
    await store.commit(
        commit(
            made("Patient", "a", version=2, entries=(red(),), edition="2"),
            made("Patient", "b", version=2, method="DELETE"),
        )
    )
    late = [Reindexed("Patient", id, 1, (red("blue"),), "2") for id in ("a", "b", "c")]
    assert await store.reindex(late) == 0
    assert await coloured(store, "blue") == []
    assert await coloured(store, "red") == ["a"]
