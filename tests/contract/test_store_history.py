"""History: every kept version, newest first, in one order for the whole store."""

from __future__ import annotations

import pytest

from store.errors import VersionConflict
from store.interface import HistoryQuery, HistoryRow, Store
from tests.contract.conftest import Opener
from tests.contract.writes import commit, made


def _said(rows: list[HistoryRow]) -> list[str]:
    return [f"{r.version.type}/{r.version.id}/{r.version.version}" for r in rows]


async def _lived(store: Store) -> None:
    await store.commit(commit(made("Patient", "a", at_us=10), made("Task", "t", at_us=10)))
    await store.commit(commit(made("Patient", "a", version=2, at_us=20)))
    await store.commit(commit(made("Patient", "b", at_us=30)))
    await store.commit(
        commit(made("Patient", "a", version=3, at_us=40, method="DELETE", content=b""))
    )
    await store.commit(commit(made("dicom:instance", "1.2", at_us=50, keep_history=False)))


async def test_history_of_an_instance_a_type_and_the_system_is_newest_first(store: Store) -> None:
    """https://hl7.org/fhir/R4/http.html#history"""
    await _lived(store)
    instance = await store.history(HistoryQuery(("Patient",), "a"))
    assert _said(instance) == ["Patient/a/3", "Patient/a/2", "Patient/a/1"]
    assert [r.version.method for r in instance] == ["DELETE", "PUT", "POST"]
    type = await store.history(HistoryQuery(("Patient",)))
    assert _said(type) == ["Patient/a/3", "Patient/b/1", "Patient/a/2", "Patient/a/1"]
    system = await store.history(HistoryQuery())
    assert len(system) == 5
    sequences = [r.sequence for r in system]
    assert sequences == sorted(set(sequences), reverse=True)
    two = await store.history(HistoryQuery(("Patient", "Task", "Unknown"), limit=100))
    assert _said(two) == _said(system)


async def test_history_pages_meet_without_gap_or_overlap_while_others_write(store: Store) -> None:
    for version in range(1, 31):
        await store.commit(commit(made("Patient", "p", version=version)))
    query, pages = HistoryQuery(("Patient",), limit=7), []
    for turn in range(10):
        rows = await store.history(query)
        pages += rows
        await store.commit(commit(made("Patient", f"other{turn}")))
        if len(rows) < 7:
            break
        query = HistoryQuery(("Patient",), before_sequence=rows[-1].sequence, limit=7)
    assert [r.version.version for r in pages] == list(range(30, 0, -1))


async def test_since_is_inclusive_and_until_is_not(store: Store) -> None:
    await _lived(store)
    since = await store.history(HistoryQuery(("Patient",), since_us=20))
    assert _said(since) == ["Patient/a/3", "Patient/b/1", "Patient/a/2"]
    until = await store.history(HistoryQuery(until_us=20))
    assert sorted(_said(until)) == ["Patient/a/1", "Task/t/1"]
    assert await store.history_count(HistoryQuery(since_us=20, until_us=40)) == 2


async def test_history_count_is_of_the_whole_query(store: Store) -> None:
    await _lived(store)
    assert await store.history_count(HistoryQuery(limit=1)) == 5
    assert await store.history_count(HistoryQuery(("Patient",), "a", limit=1)) == 3
    assert await store.history_count(HistoryQuery(("Patient",), "nobody")) == 0
    assert await store.history_count(HistoryQuery(("Unknown",))) == 0


async def test_records_without_history_leave_only_their_current_version(store: Store) -> None:
    for version in range(1, 4):
        write = made("dicom:instance", "1.2", version=version, keep_history=False)
        await store.commit(commit(write))
    assert await store.history(HistoryQuery()) == []
    assert await store.history(HistoryQuery(("dicom:instance",), "1.2")) == []
    assert await store.read_version("dicom:instance", "1.2", 2) is None
    current = await store.read("dicom:instance", "1.2")
    assert current is not None
    assert current.version == 3


async def test_commits_of_several_writes_keep_their_order_within(store: Store) -> None:
    writes = [made("Patient", str(at)) for at in range(100)]
    await store.commit(commit(*writes))
    rows = await store.history(HistoryQuery(limit=100))
    assert [r.version.id for r in rows] == [str(at) for at in range(99, -1, -1)]


async def test_last_write_is_the_place_of_a_types_newest_version(store: Store) -> None:
    assert await store.last_write("Patient") == 0
    await store.commit(commit(made("Patient", "a"), made("Task", "t")))
    first = await store.last_write("Patient")
    await store.commit(commit(made("Task", "u")))
    assert await store.last_write("Patient") == first
    await store.commit(commit(made("Patient", "a", version=2, method="DELETE", content=b"")))
    rows = await store.history(HistoryQuery(("Patient",)))
    assert await store.last_write("Patient") == rows[0].sequence > first


async def test_a_mark_is_another_one_after_each_write_of_its_type_by_any_process(
    open_store: Opener,
) -> None:
    here, there = open_store(), open_store()
    seen = {here.mark("Patient")}
    for version, writer in enumerate((here, there, there, here), 1):
        await writer.commit(commit(made("Patient", "a", version=version)))
        assert here.mark("Patient") == there.mark("Patient")
        seen.add(here.mark("Patient"))
    assert len(seen) == 5
    await here.commit(commit(made("Patient", "a", version=5, method="DELETE", content=b"")))
    assert there.mark("Patient") not in seen


async def test_a_mark_stays_while_nothing_is_written(open_store: Opener) -> None:
    here, there = open_store(), open_store()
    before = here.mark("Patient")
    await there.commit(commit(made("Task", "t")))
    with pytest.raises(VersionConflict):
        await there.commit(commit(made("Patient", "a", version=3)))
    await here.read("Patient", "a")
    assert here.mark("Patient") == there.mark("Patient") == before


async def test_a_store_that_is_opened_trusts_no_mark_of_before(open_store: Opener) -> None:
    """Whoever opened it before may have been killed between a commit and its mark."""
    here = open_store()
    before = here.mark("Patient")
    open_store()
    assert here.mark("Patient") != before
