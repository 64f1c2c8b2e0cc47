"""Whatever way a page is found, the answer is the same, and no way scans what an index could find."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from store.entries import (
    CompositeEntry,
    DateEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
)
from store.query import (
    AnyOf,
    Compare,
    CompositeIs,
    Condition,
    DateIs,
    IdIn,
    Not,
    Present,
    QuantityIs,
    Query,
    ReferenceIs,
    ReferredBy,
    RefersTo,
    SortField,
    SortKey,
    StringIs,
    StringMatch,
    TokenIn,
    TokenIs,
    WithinTree,
)
from store.sqlite import SqliteStore, plan, readers, search
from store.sqlite.conditions import TABLE_OF
from tests.contract.search_examples import (
    QUESTIONS,
    STORED,
    Questions,
    Stored,
    answers_equal_a_plain_loop,
)
from tests.contract.writes import commit, made

NEWEST = (SortKey(SortField.LAST_UPDATED, descending=True),)
STATUS = TokenIs("status", None, "final")
SUBJECT = ReferenceIs("subject", "Patient", "p")


@pytest.mark.parametrize(
    ("few", "many", "steps"),
    [(0, 0, 80_000), (0, 10**6, 80_000), (1, 1, 80_000), (300, 5_000, -1)],
    ids=["walks", "sets", "mixed", "in-threads"],
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
@given(stored=STORED, questions=QUESTIONS)
async def test_every_plan_gives_the_same_answer(
    store: SqliteStore, stored: Stored, questions: Questions, few: int, many: int, steps: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "FEW", few)
        patch.setattr(plan, "MANY", many)
        patch.setattr(readers, "QUICK_STEPS", steps)
        await answers_equal_a_plain_loop(store, stored, questions)


QUERIES: dict[str, tuple[tuple[Condition, ...], tuple[SortKey, ...]]] = {
    "nothing": ((), ()),
    "newest": ((), NEWEST),
    "token": ((STATUS,), ()),
    "token-newest": ((STATUS,), NEWEST),
    "token-in": ((TokenIn("status", "urn:s", frozenset({"final", "x"})), SUBJECT), NEWEST),
    "tokens-newest": ((AnyOf((STATUS, TokenIs("status", None, "new"))),), NEWEST),
    "reference": ((SUBJECT,), ()),
    "reference-and-token": ((SUBJECT, STATUS), NEWEST),
    "reference-by-date": ((SUBJECT,), (SortKey(SortField.DATE, "date", descending=True),)),
    "by-date": ((), (SortKey(SortField.DATE, "date"),)),
    "by-latest-date": ((), (SortKey(SortField.DATE, "date", descending=True),)),
    "token-by-name": ((STATUS,), (SortKey(SortField.STRING, "name"),)),
    "date": ((DateIs("date", Compare.GE, 5, 6),), ()),
    "name": ((StringIs("name", StringMatch.STARTS, "a"),), ()),
    "quantity": ((QuantityIs("value", Compare.GT, 1.0, 0.5, 1.5, None, "mg"),), ()),
    "id": ((IdIn(("1", "2")),), ()),
    "composite": (
        (
            CompositeIs(
                "code-value",
                (
                    TokenIs("", "urn:s", "final"),
                    QuantityIs("", Compare.GT, 1.0, 0.5, 1.5, None, "mg"),
                ),
            ),
            STATUS,
        ),
        NEWEST,
    ),
    "chain": ((RefersTo("subject", "Patient", (StringIs("name", StringMatch.STARTS, "a"),)),), ()),
    "chain-and-token": ((RefersTo("subject", "Patient", (IdIn(("p",)),)), STATUS), NEWEST),
    "two-steps": (
        (RefersTo("part-of", "Task", (RefersTo("subject", "Patient", (IdIn(("p",)),)),)),),
        (),
    ),
    "reverse": ((ReferredBy("Task", "part-of", (STATUS,)),), ()),
    "reverse-of-chain": (
        (ReferredBy("Task", "part-of", (RefersTo("subject", "Patient", (IdIn(("p",)),)),)),),
        NEWEST,
    ),
    "below": ((WithinTree("subject", "Patient", "p", "link", above=False),), ()),
    "above": ((WithinTree("part-of", "Task", "9", "part-of", above=True), STATUS), NEWEST),
    "no-chain": ((Not(RefersTo("subject", "Patient", (Not(IdIn(("q",))),))),), ()),
    "no-reverse": ((Not(ReferredBy("Task", "part-of", (Present("date"),))),), ()),
    "not": ((Not(STATUS), Present("subject")), ()),
}


IN_ORDER = {"nothing", "newest", "token", "token-newest", "reference", "by-date", "by-latest-date"}
"""Those that an index has in the order of the page, from the first row to the last."""

STORED_TABLES = {"r", "d", "e", "v", "resource", "version", *TABLE_OF.values()}
"""Tables and what the statements call them; what else is scanned is the page itself."""


@pytest.mark.parametrize("size", [1, 400], ids=["few", "many"])
@pytest.mark.parametrize("name", QUERIES)
async def test_no_page_scans_a_table_or_sorts_what_an_index_has_in_order(
    store: SqliteStore, name: str, size: int
) -> None:
    entries = (
        TokenEntry("status", "urn:s", "final"),
        TokenEntry("status", "urn:s", "new"),
        ReferenceEntry("subject", "Patient", "p"),
        ReferenceEntry("part-of", "Task", "0"),
        StringEntry("name", "anna", "Anna"),
        DateEntry("date", 5, 6),
        QuantityEntry("value", 2.0, 2.0, "urn:u", "mg"),
        CompositeEntry(
            "code-value",
            (TokenEntry("", "urn:s", "final"), QuantityEntry("", 2.0, 2.0, "urn:u", "mg")),
        ),
    )
    writes = [made("Task", str(at), at_us=at, entries=entries) for at in range(size)]
    person = made("Patient", "p", entries=(StringEntry("name", "anna", "Anna"),))
    await store.commit(commit(person, *writes))
    where, sort = QUERIES[name]
    steps = explained(store, Query("Task", where, sort))
    scanned = {step.split()[1] for step in steps if step.startswith("SCAN")}
    assert not scanned & STORED_TABLES, steps
    assert not [step for step in steps if "AUTOMATIC" in step], steps
    if name in IN_ORDER:
        assert not [step for step in steps if step == "USE TEMP B-TREE FOR ORDER BY"], steps
    # A test of one candidate is a look-up by its number or its id, never a walk over all values of a parameter.
    for at, step in enumerate(steps):
        if step.startswith("CORRELATED"):
            assert "rid=?" in steps[at + 1] or "code=?" in steps[at + 1], steps


async def test_what_identifies_stands_in_no_order_of_update(store: SqliteStore) -> None:
    entries = (
        TokenEntry("identifier", "urn:mrn", "1", identifying=True),
        TokenEntry("status", "urn:s", "final"),
    )
    await store.commit(commit(made("Task", "a", at_us=10, entries=entries)))
    await store.commit(commit(made("Task", "b", at_us=20, entries=entries)))
    await store.commit(commit(made("Task", "a", version=2, at_us=30, entries=entries)))
    rows = store._readers.connection.execute("SELECT code, updated FROM term_entry").fetchall()
    assert sorted(rows, key=str) == [("1", None), ("1", None), ("final", 20), ("final", 30)]
    for condition in (TokenIs("identifier", None, "1"), STATUS):
        page = await store.search(Query("Task", (condition,), NEWEST))
        assert [hit.version.id for hit in page.hits] == ["a", "b"]


def explained(store: SqliteStore, query: Query) -> list[str]:
    statement = store._readers.planned(search.page_statement, store._names, query)
    rows = store._readers.connection.execute(
        f"EXPLAIN QUERY PLAN {statement.text}", statement.values
    )
    return [row[3] for row in rows]
