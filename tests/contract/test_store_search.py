"""Search of any backend equals a plain loop over the same entries (``evaluator.py``)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from store.entries import Entry, StringEntry, TokenEntry, UriEntry
from store.interface import Store
from store.query import (
    AnyOf,
    IdIn,
    Query,
    SortField,
    SortKey,
    StringIs,
    StringMatch,
    TokenIs,
)
from tests.contract.conftest import Opener
from tests.contract.search_examples import (
    QUESTIONS,
    STORED,
    Questions,
    Stored,
    answers_equal_a_plain_loop,
    guards_equal_a_plain_loop,
)
from tests.contract.writes import commit, made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(stored=STORED, questions=QUESTIONS)
async def test_search_count_and_pages_equal_a_plain_loop(
    store: Store, stored: Stored, questions: Questions
) -> None:
    """https://hl7.org/fhir/R4/search.html"""
    await answers_equal_a_plain_loop(store, stored, questions)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(stored=STORED, questions=QUESTIONS)
async def test_guards_hold_for_what_a_plain_loop_finds_and_nothing_else(
    store: Store, stored: Stored, questions: Questions
) -> None:
    """https://hl7.org/fhir/R4/http.html#ccreate"""
    await guards_equal_a_plain_loop(store, stored, questions)


async def test_what_was_written_is_found_at_once_by_every_process(open_store: Opener) -> None:
    one, other = open_store(), open_store()
    for at in range(20):
        id, code = f"p{at}", TokenEntry("status", "urn:s", f"s{at}")
        last = TokenEntry("status", "urn:s", "last")
        await one.commit(commit(made("Patient", id, entries=(code, last))))
        for store in (other, one):
            assert await _ids(store, code.code) == [id]
            assert await store.count(Query("Patient", (_is("last"),))) == 1
        await other.commit(commit(made("Patient", id, version=2, entries=(code,))))
        for store in (one, other):
            assert await _ids(store, "last") == []
            assert await _ids(store, code.code) == [id]
        await one.commit(commit(made("Patient", id, version=3, method="DELETE", content=b"")))
        for store in (other, one):
            assert await _ids(store, code.code) == []


def _is(code: str) -> TokenIs:
    return TokenIs("status", "urn:s", code)


async def _ids(store: Store, code: str) -> list[str]:
    page = await store.search(Query("Patient", (_is(code),)))
    return [hit.version.id for hit in page.hits]


async def test_the_vocabulary_of_a_parameter_is_what_current_resources_have(store: Store) -> None:
    rows: dict[str, tuple[Entry, ...]] = {
        "1": (TokenEntry("tag", "s", "b"), TokenEntry("tag", None, "a"), UriEntry("url", "u:1")),
        "2": (TokenEntry("tag", "s", "b"), TokenEntry("tag", "t", "b"), TokenEntry("x", "s", "c")),
        "3": (TokenEntry("tag", "s", "gone"),),
    }
    for id, entries in rows.items():
        await store.commit(commit(made("T", id, entries=entries)))
    await store.commit(commit(made("T", "3", version=2, method="DELETE")))
    everything = [(None, "a"), ("s", "b"), ("t", "b")]
    assert sorted(await store.vocabulary("T", "tag", 9), key=lambda one: one[1]) == everything
    assert len(await store.vocabulary("T", "tag", 2)) == 2
    assert await store.vocabulary("T", "url", 9) == [(None, "u:1")]
    assert await store.vocabulary("T", "none", 9) == []
    assert await store.vocabulary("None", "tag", 9) == []


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
