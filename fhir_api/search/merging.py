"""One page of several types: each is asked for as many as the page holds, and the first of all make the page.

A store counts creations over all types, so one cursor says of each query where it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from store.interface import Found, Page, Store
from store.query import Query, SortKey


async def page_of(store: Store, queries: Sequence[Query]) -> Page:
    """The page of what any of the queries finds; they differ in type and conditions only."""
    if not queries:
        return Page((), more=False)
    if len(queries) == 1:
        return await store.search(queries[0])
    sort, limit = queries[0].sort, queries[0].limit
    first: list[Found] = []
    more = False
    for query in queries:
        await asyncio.sleep(0)  # many quick searches would let nobody else have a turn
        page = await store.search(query)
        if page.hits:
            first = in_order([*first, *page.hits], sort)
            more |= page.more or len(first) > limit
            del first[limit:]
    return Page(tuple(first), more)


async def count_of(store: Store, queries: Sequence[Query]) -> int:
    """How many the queries find in all."""
    total = 0
    for query in queries:
        await asyncio.sleep(0)
        total += await store.count(query)
    return total


def in_order(hits: list[Found], sort: tuple[SortKey, ...]) -> list[Found]:
    """By the sort keys, what has no value last, ties by creation: as each query has them."""
    hits.sort(key=lambda hit: hit.cursor.position)
    for at in reversed(range(len(sort))):
        valued = [hit for hit in hits if hit.cursor.values[at] is not None]
        without = [hit for hit in hits if hit.cursor.values[at] is None]
        # A sort in reverse leaves equals as they were.
        valued.sort(key=lambda hit: hit.cursor.values[at], reverse=sort[at].descending)  # type: ignore[arg-type, return-value]
        hits = valued + without
    return hits
