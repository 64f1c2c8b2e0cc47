"""A resource that is in no store is judged as a search would: held to the loop that the backends are held to."""

import pytest
from hypothesis import given

from store.entries import Entry
from store.matching import CannotTell, has_joins, meets, parameters_in
from store.query import AnyOf, Condition, Not, Present, RefersTo
from tests.contract.evaluator import Resource, holds
from tests.contract.random_search import ENTRIES, WHERE

UPDATED_US = 1_000_000


@given(entries=ENTRIES, where=WHERE)
def test_what_is_told_of_entries_alone_is_what_a_search_finds(
    entries: tuple[Entry, ...], where: tuple[Condition, ...]
) -> None:
    resource = Resource("This", "r0", 0, UPDATED_US, entries)
    for condition in where:
        if has_joins(condition):
            continue
        named = parameters_in((condition,))
        seen = tuple(entry for entry in entries if entry.param in named)
        assert meets((condition,), "r0", UPDATED_US, seen) is holds(condition, resource, ())


def test_a_join_is_not_told_but_refused() -> None:
    join = RefersTo("subject", "Patient", ())
    for condition in (join, Not(join), AnyOf((Present("absent"), join))):
        assert has_joins(condition)
        with pytest.raises(CannotTell):
            meets((condition,), "r0", UPDATED_US, ())
