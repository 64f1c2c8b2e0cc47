"""Added parameters whose index is not complete: what was stored before them has not been reindexed yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from fhir_api.errors import Issue
from fhir_api.search.include import Include
from fhir_api.search.parameters import SearchParameters
from store.interface import Store
from store.query import AllOf, AnyOf, Condition, IdIn, Not, Query, ReferredBy, RefersTo, UpdatedIs

Used = tuple[str, str]
"""Type and code of a parameter."""


async def unfinished(
    store: Store,
    parameters: SearchParameters,
    queries: Iterable[Query],
    includes: Iterable[Include] = (),
) -> tuple[Issue, ...]:
    """A warning for each added parameter that the queries use and that may not find everything yet."""
    if not parameters.types():
        return ()
    used = dict.fromkeys((*chain.from_iterable(map(_used, queries)), *_included(includes)))
    added = [(of, code) for of, code in used if any(p.code == code for p in parameters.added(of))]
    behind = {
        of for of, _ in added if await store.count_outdated(of, parameters.edition(of), at_most=1)
    }
    return tuple(_warning(of, code) for of, code in added if of in behind)


def _warning(type: str, code: str) -> Issue:
    text = (
        f"Search parameter '{code}' may not find everything: some {type} resources are not indexed by it yet. "
        f"POST {type}/$reindex does that."
    )
    return Issue("warning", "incomplete", text, f"http.{code}")


def _used(query: Query) -> Iterator[Used]:
    for condition in query.where:
        yield from _used_in(query.type, condition)
    for key in query.sort:
        if key.param is not None:
            yield query.type, key.param


def _included(includes: Iterable[Include]) -> Iterator[Used]:
    for include in includes:
        if include.source is not None:
            for code in include.codes:
                yield include.source, code


def _used_in(type: str, condition: Condition) -> Iterator[Used]:
    match condition:
        case AnyOf() | AllOf():
            for inner in condition.conditions:
                yield from _used_in(type, inner)
        case Not():
            yield from _used_in(type, condition.condition)
        case RefersTo():
            yield type, condition.param
            yield from _used(Query(condition.type, condition.where))
        case ReferredBy():
            yield condition.type, condition.param
            yield from _used(Query(condition.type, condition.where))
        case IdIn() | UpdatedIs():
            return
        case _:
            # What follows a colon tells one kind of entry from another.
            yield type, condition.param.partition(":")[0]
