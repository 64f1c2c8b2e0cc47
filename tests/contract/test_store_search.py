"""Search of any backend equals a plain loop over the same entries (``evaluator.py``)."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.entries import Entry, StringEntry, TokenEntry
from store.interface import Store
from store.query import (
    AnyOf,
    Condition,
    IdIn,
    Query,
    SortField,
    SortKey,
    StringIs,
    StringMatch,
    TokenIs,
)
from tests.contract.evaluator import Resource, found
from tests.contract.random_search import ENTRIES, SORT, TIMES_US, WHERE
from tests.contract.writes import commit, made

_EXAMPLES = count(1)
"""The examples of one test share a store; each has a type of its own."""

_RESOURCES = st.lists(
    st.tuples(st.sampled_from(TIMES_US), ENTRIES, st.none() | ENTRIES | st.just("deleted")),
    min_size=1,
    max_size=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    stored=_RESOURCES,
    questions=st.lists(st.tuples(WHERE, SORT, st.integers(1, 4)), min_size=1, max_size=12),
)
async def test_search_count_and_pages_equal_a_plain_loop(
    store: Store,
    stored: list[tuple[int, tuple[Entry, ...], tuple[Entry, ...] | str | None]],
    questions: list[tuple[tuple[Condition, ...], tuple[SortKey, ...], int]],
) -> None:
    """https://hl7.org/fhir/R4/search.html"""
    type = f"Type{next(_EXAMPLES)}"
    resources = await _stored(store, type, stored)
    for where, sort, limit in questions:
        query = Query(type, where, sort, limit=limit)
        expected = [r.id for r in found(query, resources)]
        assert await _paged(store, query) == expected
        assert await store.count(query) == len(expected)


async def _stored(
    store: Store,
    type: str,
    stored: list[tuple[int, tuple[Entry, ...], tuple[Entry, ...] | str | None]],
) -> list[Resource]:
    """Creates each, then updates or deletes some."""
    current: dict[str, Resource] = {}
    for at, (updated, entries, _) in enumerate(stored):
        id = f"r{at}"
        await store.commit(commit(made(type, id, at_us=updated, entries=entries)))
        current[id] = Resource(type, id, at, updated, entries)
    for at, (updated, _, then) in enumerate(stored):
        id = f"r{at}"
        if then == "deleted":
            await store.commit(commit(made(type, id, version=2, method="DELETE", content=b"")))
            del current[id]
        elif isinstance(then, tuple):
            later = updated + 7
            await store.commit(commit(made(type, id, version=2, at_us=later, entries=then)))
            current[id] = Resource(type, id, at, later, then)
    return list(current.values())


async def _paged(store: Store, query: Query) -> list[str]:
    """The ids of all pages, each page checked to be as long as it should."""
    ids: list[str] = []
    while True:
        page = await store.search(query)
        assert len(page.hits) == query.limit or not page.more
        assert all(
            h.version.content == _content(h.version.type, h.version.id, h.version.version)
            for h in page.hits
        )
        ids += [hit.version.id for hit in page.hits]
        if not page.more:
            return ids
        query = Query(query.type, query.where, query.sort, page.hits[-1].cursor, query.limit)


def _content(type: str, id: str, version: int) -> bytes:
    return f"{type}/{id}/{version}".encode()


async def test_search_of_a_type_never_stored_finds_nothing(store: Store) -> None:
    query = Query("Nothing", (TokenIs("status", None, "final"),), (SortKey(SortField.ID),))
    assert (await store.search(query)).hits == ()
    assert await store.count(query) == 0


async def test_search_does_not_mix_types_of_the_same_id_and_entries(store: Store) -> None:
    entry = TokenEntry("status", None, "final")
    writes = [made(type, "same", entries=(entry,)) for type in ("One", "Two")]
    await store.commit(commit(*writes))
    for where in ((TokenIs("status", None, "final"),), (IdIn(("same",)),), ()):
        page = await store.search(Query("Two", where))
        assert [(h.version.type, h.version.id) for h in page.hits] == [("Two", "same")]


@pytest.mark.parametrize("size", [1, 99, 101, 5_000])
async def test_a_condition_may_name_thousands_of_values(store: Store, size: int) -> None:
    await store.commit(commit(made("Patient", "p", entries=(TokenEntry("id", "urn:a", "7"),))))
    tokens = tuple(TokenIs("id", "urn:a", str(code)) for code in range(7, 7 + size))
    names = tuple(StringIs("id", StringMatch.STARTS, str(code)) for code in range(size))
    ids = IdIn((*(str(at) for at in range(size)), "p"))
    for where in ((AnyOf(tokens),), (ids,), (AnyOf((*names, *tokens)), ids)):
        page = await store.search(Query("Patient", where))
        assert [hit.version.id for hit in page.hits] == ["p"]


async def test_exact_finds_the_same_with_and_without_the_normal_form(store: Store) -> None:
    entries = (StringEntry("name", "muller", "Müller"), StringEntry("name", "muller", "MULLER"))
    await store.commit(commit(*(made("P", str(at), entries=(e,)) for at, e in enumerate(entries))))
    for normalised in (None, "muller"):
        where = (StringIs("name", StringMatch.EXACT, "Müller", normalised),)
        page = await store.search(Query("P", where))
        assert [hit.version.id for hit in page.hits] == ["0"]
