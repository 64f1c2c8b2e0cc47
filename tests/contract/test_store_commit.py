"""A commit lands whole or not at all, and only on the state it was decided on."""

from __future__ import annotations

import asyncio

import pytest

from store.entries import TokenEntry
from store.errors import BlobNotFound, GuardFailed, LeaseLost, StoreUnavailable, VersionConflict
from store.interface import Commit, Guard, HistoryQuery, Outgoing, Store
from store.query import Query, TokenIs
from tests.contract.conftest import Opener
from tests.contract.writes import commit, enqueued, made

IS_FINAL = (TokenIs("status", None, "final"),)
FINAL = (TokenEntry("status", "urn:status", "final"),)


async def test_what_was_written_is_read_back_byte_for_byte(store: Store) -> None:
    content = bytes(range(256)) * 50
    write = made("Patient", "żółw-✓", content=content, at_us=1_700_000_000_123_456)
    await store.commit(commit(write))
    version = await store.read("Patient", "żółw-✓")
    assert version is not None
    assert version.content == content
    assert (version.type, version.id, version.version) == ("Patient", "żółw-✓", 1)
    assert (version.last_updated_us, version.method) == (1_700_000_000_123_456, "POST")
    assert version.blob is None
    assert not version.deleted


async def test_an_id_never_used_reads_as_none(store: Store) -> None:
    assert await store.read("Patient", "p") is None
    await store.commit(commit(made("Patient", "p")))
    assert await store.read("Patient", "P") is None
    assert await store.read("Task", "p") is None
    assert await store.read_version("Patient", "p", 2) is None


async def test_every_version_stays_readable_after_updates_and_deletion(store: Store) -> None:
    """https://hl7.org/fhir/R4/http.html#vread"""
    await store.commit(commit(made("Patient", "p", content=b"one")))
    await store.commit(commit(made("Patient", "p", version=2, content=b"two")))
    await store.commit(commit(made("Patient", "p", version=3, method="DELETE", content=b"")))
    current = await store.read("Patient", "p")
    assert current is not None
    assert current.deleted
    assert current.version == 3
    contents = []
    for version in (1, 2, 3):
        read = await store.read_version("Patient", "p", version)
        contents.append(read and read.content)
    assert contents == [b"one", b"two", b""]


async def test_read_many_answers_in_the_order_asked_with_none_for_the_missing(store: Store) -> None:
    await store.commit(commit(*(made("Patient", str(at)) for at in range(200))))
    keys = [("Patient", str(at)) for at in range(199, -1, -3)] + [("Patient", "no"), ("No", "1")]
    versions = await store.read_many([*keys, keys[0]])
    assert [v and (v.type, v.id) for v in versions] == [*keys[:-2], None, None, keys[0]]
    assert await store.read_many([]) == []


async def test_a_deleted_resource_can_be_made_again_and_keeps_its_place(store: Store) -> None:
    await store.commit(commit(made("Patient", "a"), made("Patient", "b")))
    await store.commit(commit(made("Patient", "a", version=2, method="DELETE", content=b"")))
    assert [h.version.id for h in (await store.search(Query("Patient"))).hits] == ["b"]
    await store.commit(commit(made("Patient", "a", version=3)))
    assert [h.version.id for h in (await store.search(Query("Patient"))).hits] == ["a", "b"]


async def test_one_conflict_among_many_writes_leaves_nothing(store: Store) -> None:
    """https://hl7.org/fhir/R4/http.html#transaction"""
    await store.commit(commit(made("Patient", "there", entries=FINAL)))
    writes = [made("Patient", f"new{at}", entries=FINAL, queue=enqueued("t")) for at in range(20)]
    stale = made("Patient", "there", version=7, after=6)
    outgoing = Outgoing("audit", b"x", "k")
    with pytest.raises(VersionConflict) as caught:
        await store.commit(commit(*writes, stale, outbox=(outgoing,)))
    assert (caught.value.id, caught.value.expected, caught.value.current) == ("there", 6, 1)
    assert await store.count(Query("Patient", IS_FINAL)) == 1
    assert await store.read("Patient", "new0") is None
    assert await store.history_count(HistoryQuery()) == 1
    assert await store.outbox("audit") == []
    assert await store.next_ready("Patient", ["t"], 10) == []


@pytest.mark.parametrize(
    ("expected", "stored"),
    [(0, 1), (2, 1), (1, 0), (1, 2)],
    ids=["create-of-existing", "too-new", "update-of-missing", "too-old"],
)
async def test_a_stale_expectation_is_a_conflict(store: Store, expected: int, stored: int) -> None:
    for version in range(1, stored + 1):
        await store.commit(commit(made("Patient", "p", version=version)))
    with pytest.raises(VersionConflict):
        await store.commit(commit(made("Patient", "p", version=9, after=expected)))
    current = await store.read("Patient", "p")
    assert (current.version if current else 0) == stored


async def test_a_deletion_counts_as_the_version_to_expect(store: Store) -> None:
    await store.commit(commit(made("Patient", "p")))
    await store.commit(commit(made("Patient", "p", version=2, method="DELETE", content=b"")))
    with pytest.raises(VersionConflict):
        await store.commit(commit(made("Patient", "p", version=3, after=0)))
    await store.commit(commit(made("Patient", "p", version=3, after=2)))


async def test_versions_may_skip_numbers_but_not_go_back(store: Store) -> None:
    await store.commit(commit(made("Patient", "p", version=5, after=0)))
    with pytest.raises(ValueError, match="not greater"):
        await store.commit(commit(made("Patient", "p", version=5, after=5)))


async def test_a_commit_that_writes_one_resource_twice_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="twice"):
        await store.commit(commit(made("Patient", "p"), made("Patient", "p", version=2)))
    assert await store.read("Patient", "p") is None


async def test_an_unchanged_resource_is_part_of_the_decision(store: Store) -> None:
    await store.commit(commit(made("Patient", "p")))
    seen = (("Patient", "p", 1),)
    await store.commit(Commit(writes=(made("Task", "one"),), unchanged=seen))
    await store.commit(commit(made("Patient", "p", version=2)))
    with pytest.raises(VersionConflict):
        await store.commit(Commit(writes=(made("Task", "two"),), unchanged=seen))
    assert await store.read("Task", "two") is None
    with pytest.raises(VersionConflict):
        await store.commit(Commit(unchanged=(("Patient", "nobody", 1),)))
    await store.commit(Commit(unchanged=(("Patient", "nobody", 0),)))


async def test_a_guard_sees_what_is_committed_before_it(store: Store) -> None:
    """https://hl7.org/fhir/R4/http.html#ccreate"""
    none, one = Guard("Patient", IS_FINAL, ()), Guard("Patient", IS_FINAL, ("p",))
    await store.commit(commit(made("Patient", "p", entries=FINAL), guards=(none,)))
    with pytest.raises(GuardFailed):
        await store.commit(commit(made("Patient", "q", entries=FINAL), guards=(none,)))
    await store.commit(commit(made("Patient", "p", version=2), guards=(one,)))
    with pytest.raises(GuardFailed):
        await store.commit(commit(made("Patient", "p", version=3), guards=(one,)))
    current = await store.read("Patient", "p")
    assert current is not None
    assert current.version == 2


async def test_a_guard_on_more_matches_than_it_names_fails(store: Store) -> None:
    await store.commit(commit(*(made("P", str(at), entries=FINAL) for at in range(3))))
    ids = ("0", "1", "2")
    for named in (ids[:1], ids[:2], (*ids, "3"), ("0", "1", "x")):
        with pytest.raises(GuardFailed):
            await store.commit(Commit(guards=(Guard("P", IS_FINAL, named),)))
    await store.commit(Commit(guards=(Guard("P", IS_FINAL, ("2", "0", "1")),)))


async def test_of_many_writers_with_one_expectation_exactly_one_wins(open_store: Opener) -> None:
    stores = [open_store(), open_store()]
    await stores[0].commit(commit(made("Patient", "p")))
    attempts = [
        stores[at % 2].commit(commit(made("Patient", "p", version=2, content=str(at).encode())))
        for at in range(20)
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(r) for r in results].count(VersionConflict) == 19
    winner = results.index(None)
    current = await stores[0].read("Patient", "p")
    assert current is not None
    assert current.content == str(winner).encode()


async def test_of_many_conditional_creates_exactly_one_wins(open_store: Opener) -> None:
    """https://hl7.org/fhir/R4/http.html#ccreate: whatever the process that each runs in."""
    stores = [open_store(), open_store()]
    for round in range(5):
        code = f"mrn-{round}"
        guard = Guard("Patient", (TokenIs("identifier", "urn:mrn", code),), ())
        entries = (TokenEntry("identifier", "urn:mrn", code),)
        attempts = [
            stores[at % 2].commit(
                commit(made("Patient", f"{round}-{at}", entries=entries), guards=(guard,))
            )
            for at in range(12)
        ]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert [type(r) for r in results].count(GuardFailed) == 11
        assert await stores[0].count(Query("Patient", guard.where)) == 1


async def test_counters_incremented_by_many_lose_no_update(open_store: Opener) -> None:
    stores = [open_store(), open_store()]
    await stores[0].commit(commit(made("Counter", "c", content=b"0")))

    async def increment(store: Store) -> None:
        while True:
            current = await store.read("Counter", "c")
            assert current is not None
            value = str(int(current.content) + 1).encode()
            write = made("Counter", "c", version=current.version + 1, content=value)
            try:
                await store.commit(commit(write))
            except VersionConflict:
                continue
            return

    await asyncio.gather(*(increment(stores[at % 2]) for at in range(40)))
    current = await stores[1].read("Counter", "c")
    assert current is not None
    assert current.content == b"40"


async def test_an_acknowledged_commit_is_seen_by_every_process_at_once(open_store: Opener) -> None:
    writer, reader = open_store(), open_store()
    for at in range(20):
        await writer.commit(commit(made("Patient", str(at), entries=FINAL)))
        assert await reader.read("Patient", str(at)) is not None
        assert await reader.count(Query("Patient", IS_FINAL)) == at + 1


async def test_a_commit_that_fails_does_not_harm_those_beside_it(store: Store) -> None:
    await store.commit(commit(made("Patient", "p")))
    cannot_be_stored = made("Patient", "bad", entries=(TokenEntry("code", None, "\ud800"),))
    commits = [commit(made("Patient", f"good{at}", entries=FINAL)) for at in range(10)]
    commits[3:3] = [commit(made("Patient", "p")), commit(cannot_be_stored)]
    results = await asyncio.gather(*map(store.commit, commits), return_exceptions=True)
    assert [type(r) for r in results if r is not None] == [VersionConflict, UnicodeEncodeError]
    assert await store.count(Query("Patient", IS_FINAL)) == 10
    assert await store.read("Patient", "bad") is None


async def test_a_commit_whose_caller_went_away_still_lands(store: Store) -> None:
    task = asyncio.create_task(store.commit(commit(made("Patient", "p"))))
    await asyncio.sleep(0)
    task.cancel()
    await store.commit(commit(made("Patient", "q")))
    assert await store.read("Patient", "p") is not None


async def test_an_update_replaces_all_index_entries(store: Store) -> None:
    tags = [(TokenEntry("tag", None, str(at)), *FINAL) for at in range(3)]
    for version, entries in enumerate(tags, 1):
        await store.commit(commit(made("P", "p", version=version, at_us=version, entries=entries)))
    found = [await store.count(Query("P", (TokenIs("tag", None, str(at)),))) for at in range(3)]
    assert found == [0, 0, 1]
    assert await store.count(Query("P", IS_FINAL)) == 1


async def test_a_commit_naming_a_missing_blob_is_refused(store: Store) -> None:
    info = await store.blobs.put(b"pixels")
    await store.commit(commit(made("Binary", "b", blobs=(info.sha256,))))
    with pytest.raises(BlobNotFound):
        await store.commit(commit(made("Binary", "c", blobs=(info.sha256, "0" * 64))))
    assert await store.read("Binary", "c") is None


async def test_a_commit_holding_a_lease_it_has_not_is_refused(store: Store) -> None:
    await store.commit(commit(made("Task", "t", queue=enqueued("x"))))
    for key in (("Task", "t", "me"), ("Task", "no", "me"), ("No", "t", "me")):
        with pytest.raises(LeaseLost):
            await store.commit(Commit(writes=(made("Report", "r"),), held=(key,)))
    assert await store.read("Report", "r") is None


async def test_a_closed_store_says_so_and_lost_nothing(open_store: Opener) -> None:
    store = open_store()
    pending = [asyncio.create_task(store.commit(commit(made("P", str(at))))) for at in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*pending)
    with pytest.raises(StoreUnavailable):
        await store.commit(commit(made("P", "late")))
    again = open_store()
    assert await again.count(Query("P")) == 50


async def test_guards_of_commits_that_arrive_together_see_each_other(store: Store) -> None:
    """https://hl7.org/fhir/R4/http.html#ccreate: one creates, the others find what it made, or no longer find what it
    changed.
    """
    guard = Guard("Patient", IS_FINAL, ())
    creations = [
        commit(made("Patient", f"p{at}", entries=FINAL), guards=(guard,)) for at in range(30)
    ]
    results = await asyncio.gather(*map(store.commit, creations), return_exceptions=True)
    assert [type(r) for r in results if r is not None] == [GuardFailed] * 29
    there = f"p{results.index(None)}"
    seen = Guard("Patient", IS_FINAL, (there,))
    changes = [
        commit(made("Patient", there, version=2)),
        commit(made("Patient", "q", entries=FINAL), guards=(seen,)),
        commit(made("Patient", "r", entries=FINAL), guards=(guard,)),
    ]
    results = await asyncio.gather(*map(store.commit, changes), return_exceptions=True)
    assert [type(r) for r in results] == [type(None), GuardFailed, type(None)]


async def test_a_guard_that_allows_some_finds_just_those(store: Store) -> None:
    writes = [made("Patient", f"p{at}", entries=FINAL) for at in range(40)]
    await store.commit(commit(*writes))
    every = tuple(write.id for write in writes)
    for ids in (every[:-1], (*every, "x"), ()):
        with pytest.raises(GuardFailed):
            await store.commit(Commit(guards=(Guard("Patient", IS_FINAL, ids),)))
    await store.commit(Commit(guards=(Guard("Patient", IS_FINAL, every[::-1]),)))
