"""The queue beside the resources: order, leases and what survives them."""

from __future__ import annotations

import asyncio

import pytest

from store.errors import LeaseLost, VersionConflict
from store.interface import Commit, QueueAction, QueueChange, Store
from tests.contract.conftest import Opener
from tests.contract.writes import commit, enqueued, leased, made


async def _enqueue(
    store: Store, id: str, *topics: str, priority: int = 0, at_us: int = 0, ready_us: int = 0
) -> None:
    queue = enqueued(*(topics or ("x",)), priority=priority, at_us=at_us, ready_us=ready_us)
    await store.commit(commit(made("Task", id, queue=queue)))


async def _ready(store: Store, *topics: str, now_us: int = 1_000, limit: int = 100) -> list[str]:
    return [e.id for e in await store.next_ready("Task", topics or ("x",), now_us, limit)]


async def test_higher_priority_comes_first_then_the_older(store: Store) -> None:
    for id, priority, at_us in (("d", 0, 1), ("c", 0, 0), ("b", 3, 9), ("a", 3, 8)):
        await _enqueue(store, id, priority=priority, at_us=at_us)
    assert await _ready(store) == ["a", "b", "c", "d"]
    assert await _ready(store, limit=2) == ["a", "b"]
    assert await store.queue_depth("Task") == {3: 2, 0: 2}


async def test_any_topic_finds_an_entry_once(store: Store) -> None:
    await _enqueue(store, "both", "x", "y", at_us=2)
    await _enqueue(store, "y", "y", at_us=1)
    assert await _ready(store, "x", "y") == ["y", "both"]
    assert await _ready(store, "x", "x") == ["both"]
    assert await _ready(store, "z") == []
    assert await store.next_ready("Unknown", ("x",), 1_000) == []
    assert await store.next_ready("Task", (), 1_000) == []


async def test_backoff_hides_an_entry_until_its_time(store: Store) -> None:
    await _enqueue(store, "later", ready_us=500, priority=3)
    await _enqueue(store, "now")
    assert await _ready(store, now_us=499) == ["now"]
    assert await _ready(store, now_us=500) == ["later", "now"]


async def test_a_leased_entry_is_not_ready_and_says_who_holds_it(store: Store) -> None:
    await _enqueue(store, "t", priority=2, at_us=7)
    await store.commit(commit(made("Task", "t", version=2, queue=leased("me", 900))))
    assert await _ready(store) == []
    entry = await store.queue_entry("Task", "t")
    assert entry is not None
    assert (entry.owner, entry.lease_expires_at_us, entry.attempts) == ("me", 900, 1)
    assert (entry.topics, entry.priority, entry.enqueued_at_us) == (("x",), 2, 7)
    assert await store.queue_depth("Task") == {}


async def test_of_two_claimers_exactly_one_gets_the_task(open_store: Opener) -> None:
    stores = [open_store(), open_store()]
    for at in range(10):
        await _enqueue(stores[0], f"t{at}", at_us=at)

    async def claim(store: Store, owner: str) -> list[str]:
        claimed = []
        while entries := await store.next_ready("Task", ("x",), 1_000, limit=1):
            current = await store.read("Task", entries[0].id)
            assert current is not None
            write = made("Task", current.id, version=current.version + 1, queue=leased(owner, 900))
            try:
                await store.commit(commit(write))
            except (VersionConflict, LeaseLost):
                continue
            claimed.append(current.id)
        return claimed

    claims = await asyncio.gather(*(claim(stores[at % 2], f"w{at}") for at in range(4)))
    assert sorted(id for ids in claims for id in ids) == sorted(f"t{at}" for at in range(10))


async def test_attempts_count_leases_taken_not_renewed(store: Store) -> None:
    await _enqueue(store, "t")
    attempts = []
    changes = (leased("a", 900), leased("a", 950), enqueued("x"), leased("b", 900))
    for version, queue in enumerate(changes, 2):
        await store.commit(commit(made("Task", "t", version=version, queue=queue)))
        entry = await store.queue_entry("Task", "t")
        attempts.append(entry and entry.attempts)
    assert attempts == [1, 1, 1, 2]


async def test_a_lease_is_never_stolen_not_even_when_it_has_run_out(store: Store) -> None:
    await _enqueue(store, "t")
    await store.commit(commit(made("Task", "t", version=2, queue=leased("a", 1))))
    with pytest.raises(LeaseLost):
        await store.commit(commit(made("Task", "t", version=3, queue=leased("b", 900))))
    entry = await store.queue_entry("Task", "t")
    assert entry is not None
    assert entry.owner == "a"


async def test_put_back_keeps_attempts_unless_told_and_drops_lease_and_progress(
    store: Store,
) -> None:
    await _enqueue(store, "t")
    await store.commit(commit(made("Task", "t", version=2, queue=leased("a", 900))))
    assert await store.renew_lease("Task", "t", "a", 950, b"half")
    back = enqueued("y", priority=1, ready_us=5)
    await store.commit(commit(made("Task", "t", version=3, queue=back)))
    entry = await store.queue_entry("Task", "t")
    assert entry is not None
    assert (entry.owner, entry.progress, entry.attempts) == (None, b"", 1)
    assert await _ready(store, "x") == []
    assert await _ready(store, "y") == ["t"]
    await store.commit(commit(made("Task", "t", version=4, queue=enqueued("y", attempts=0))))
    entry = await store.queue_entry("Task", "t")
    assert entry is not None
    assert entry.attempts == 0


async def test_only_the_owner_renews_and_progress_makes_no_version(store: Store) -> None:
    await _enqueue(store, "t")
    assert not await store.renew_lease("Task", "t", "a", 950, b"")
    await store.commit(commit(made("Task", "t", version=2, queue=leased("a", 900))))
    assert not await store.renew_lease("Task", "t", "stranger", 2_000, b"mine")
    assert await store.renew_lease("Task", "t", "a", 950, b"half")
    assert await store.renew_lease("Task", "t", "a", 960, None)
    assert not await store.renew_lease("Task", "unknown", "a", 960, None)
    assert not await store.renew_lease("Unknown", "t", "a", 960, None)
    entry = await store.queue_entry("Task", "t")
    assert entry is not None
    assert (entry.lease_expires_at_us, entry.progress) == (960, b"half")
    current = await store.read("Task", "t")
    assert current is not None
    assert current.version == 2


async def test_expired_leases_are_listed_oldest_first_until_renewed(store: Store) -> None:
    for id, until in (("b", 200), ("a", 100), ("c", 300)):
        await _enqueue(store, id)
        await store.commit(commit(made("Task", id, version=2, queue=leased("w", until))))
    assert [e.id for e in await store.expired_leases("Task", 200)] == ["a", "b"]
    assert [e.id for e in await store.expired_leases("Task", 900, limit=1)] == ["a"]
    await store.renew_lease("Task", "a", "w", 1_000, None)
    assert [e.id for e in await store.expired_leases("Task", 200)] == ["b"]
    assert await store.expired_leases("Unknown", 200) == []


async def test_keep_changes_nothing_and_remove_takes_the_entry_away(store: Store) -> None:
    await _enqueue(store, "t")
    await store.commit(commit(made("Task", "t", version=2, queue=QueueChange(QueueAction.KEEP))))
    await store.commit(commit(made("Task", "t", version=3)))
    assert await _ready(store) == ["t"]
    await store.commit(commit(made("Task", "t", version=4, queue=QueueChange(QueueAction.REMOVE))))
    assert await _ready(store) == []
    assert await store.queue_entry("Task", "t") is None
    await store.commit(commit(made("Task", "t", version=5, queue=QueueChange(QueueAction.REMOVE))))


async def test_a_deleted_task_leaves_the_queue(store: Store) -> None:
    await _enqueue(store, "t")
    await store.commit(commit(made("Task", "t", version=2, method="DELETE", content=b"")))
    assert await store.queue_entry("Task", "t") is None
    assert await _ready(store) == []


async def test_leasing_what_is_not_in_the_queue_is_refused(store: Store) -> None:
    await store.commit(commit(made("Task", "t")))
    with pytest.raises(LeaseLost):
        await store.commit(commit(made("Task", "t", version=2, queue=leased("a", 900))))
    current = await store.read("Task", "t")
    assert current is not None
    assert current.version == 1


async def test_a_commit_may_hold_a_lease_even_after_its_time(store: Store) -> None:
    await _enqueue(store, "t")
    await store.commit(commit(made("Task", "t", version=2, queue=leased("a", 1))))
    results = Commit(
        writes=(
            made("Task", "t", version=3, queue=QueueChange(QueueAction.REMOVE)),
            made("Report", "r"),
        ),
        held=(("Task", "t", "a"),),
    )
    await store.commit(results)
    assert await store.read("Report", "r") is not None
    with pytest.raises(LeaseLost):
        await store.commit(Commit(writes=(made("Report", "s"),), held=(("Task", "t", "a"),)))


async def test_queue_entries_answers_for_those_that_have_one(store: Store) -> None:
    for at in range(30):
        queue = enqueued("x", priority=at) if at % 2 else None
        await store.commit(commit(made("Task", str(at), queue=queue)))
    entries = await store.queue_entries("Task", [str(at) for at in range(40)])
    assert sorted(entries, key=int) == [str(at) for at in range(30) if at % 2]
    assert entries["7"].priority == 7
    assert await store.queue_entries("Task", []) == {}


async def test_a_wait_ends_when_the_type_is_written_in_this_or_another_process(
    open_store: Opener,
) -> None:
    here, there = open_store(), open_store()
    for writer in (here, there):
        for name in (f"first-{id(writer)}", f"second-{id(writer)}"):
            waiting = [asyncio.create_task(here.wait_for_change("Task", 60)) for _ in range(3)]
            await asyncio.sleep(0)
            await writer.commit(commit(made("Task", name)))
            await asyncio.wait_for(asyncio.gather(*waiting), 30)


async def test_a_write_between_the_look_and_the_wait_ends_the_wait_at_once(
    open_store: Opener,
) -> None:
    """Whoever found nothing and then waits would otherwise sleep over what came in between."""
    here, there = open_store(), open_store()
    for writer in (here, there):
        seen = await here.last_write("Task")
        await writer.commit(commit(made("Task", f"meanwhile-{id(writer)}")))
        await asyncio.wait_for(here.wait_for_change("Task", 60, since=seen), 30)
    seen = await here.last_write("Task")
    waiting = asyncio.create_task(here.wait_for_change("Task", 60, since=seen))
    await asyncio.sleep(0)
    await here.commit(commit(made("Patient", "p")))
    assert not waiting.done()
    await here.commit(commit(made("Task", "later")))
    await asyncio.wait_for(waiting, 30)


async def test_a_wait_ends_by_itself(store: Store) -> None:
    await store.wait_for_change("Task", 0.01)
    waiting = asyncio.create_task(store.wait_for_change("Task", 60))
    await asyncio.sleep(0)
    await store.commit(commit(made("Patient", "p")))
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_write_of_another_process_right_after_the_wait_began_ends_it(
    open_store: Opener,
) -> None:
    """However soon it comes: before the first look for other processes' writes, too."""
    here, there = open_store(), open_store()
    for at in range(5):
        waiting = asyncio.create_task(here.wait_for_change("Task", 60))
        await asyncio.sleep(0)  # its first step: from here on it waits
        await there.commit(commit(made("Task", str(at))))
        await asyncio.wait_for(waiting, 30)
