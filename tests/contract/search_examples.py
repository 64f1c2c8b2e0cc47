"""A search example: some resources with their lives, some questions, and the check that all answers are right."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import pytest
from hypothesis import strategies as st

from store.entries import Entry
from store.errors import GuardFailed
from store.interface import Commit, Guard, Store
from store.query import Condition, Query, SortKey
from tests.contract.evaluator import Resource, found
from tests.contract.random_search import ENTRIES, OTHER, SORT, THIS, TIMES_US, WHERE, typed
from tests.contract.writes import commit, made

Stored = list[tuple[str, int, tuple[Entry, ...], tuple[Entry, ...] | str | None]]
"""Per resource: which of two types it is of, when it was made, with which entries, and what came then: other entries,
"deleted", or nothing.
"""

Questions = list[tuple[tuple[Condition, ...], tuple[SortKey, ...], int]]
"""Conditions, order, and rows on a page."""

STORED: st.SearchStrategy[Stored] = st.lists(
    st.tuples(
        st.sampled_from((THIS, THIS, OTHER)),
        st.sampled_from(TIMES_US),
        ENTRIES,
        st.none() | ENTRIES | st.just("deleted"),
    ),
    min_size=1,
    max_size=10,
)
QUESTIONS: st.SearchStrategy[Questions] = st.lists(
    st.tuples(WHERE, SORT, st.integers(1, 4)), min_size=1, max_size=12
)

_EXAMPLES = count(1)
"""The examples of one test share a store; each has a type of its own."""


async def answers_equal_a_plain_loop(store: Store, stored: Stored, questions: Questions) -> None:
    number = next(_EXAMPLES)
    types = {THIS: f"Type{number}", OTHER: f"Other{number}"}
    resources = await _stored(store, types, stored)
    for where, sort, limit in questions:
        query = Query(types[THIS], typed(where, types), sort, limit=limit)
        expected = [r.id for r in found(query, resources)]
        assert await _paged(store, query) == expected
        assert await store.count(query) == len(expected)


async def guards_equal_a_plain_loop(store: Store, stored: Stored, questions: Questions) -> None:
    number = next(_EXAMPLES)
    types = {THIS: f"Type{number}", OTHER: f"Other{number}"}
    resources = await _stored(store, types, stored)
    for where, _, _ in questions:
        query = Query(types[THIS], typed(where, types))
        ids = tuple(r.id for r in found(query, resources))
        await store.commit(Commit(guards=(Guard(query.type, query.where, ids),)))
        for wrong in (ids[1:], (*ids, "r99")):
            if wrong != ids:
                with pytest.raises(GuardFailed):
                    await store.commit(Commit(guards=(Guard(query.type, query.where, wrong),)))


async def _stored(store: Store, types: Mapping[str, str], stored: Stored) -> list[Resource]:
    """Creates each, then updates or deletes some."""
    current: dict[str, Resource] = {}
    for at, (kind, updated, kind_entries, _) in enumerate(stored):
        id, type, entries = f"r{at}", types[kind], typed(kind_entries, types)
        await store.commit(commit(made(type, id, at_us=updated, entries=entries)))
        current[id] = Resource(type, id, at, updated, entries)
    for at, (kind, updated, _, then) in enumerate(stored):
        id, type = f"r{at}", types[kind]
        if then == "deleted":
            await store.commit(commit(made(type, id, version=2, method="DELETE", content=b"")))
            del current[id]
        elif isinstance(then, tuple):
            later, entries = updated + 7, typed(then, types)
            await store.commit(commit(made(type, id, version=2, at_us=later, entries=entries)))
            current[id] = Resource(type, id, at, later, entries)
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
