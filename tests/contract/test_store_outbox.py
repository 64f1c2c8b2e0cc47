"""The outbox: leaves with the commit, is delivered at least once, in order."""

from __future__ import annotations

from store.interface import Outgoing, Store
from tests.contract.conftest import Opener
from tests.contract.writes import commit, made


def _audit(at: int) -> Outgoing:
    return Outgoing("audit", f"event {at}".encode(), f"key-{at}")


async def test_rows_come_in_commit_order_until_they_are_done(store: Store) -> None:
    for at in range(0, 10, 2):
        await store.commit(commit(made("P", str(at)), outbox=(_audit(at), _audit(at + 1))))
    rows = await store.outbox("audit")
    assert [row.outgoing for row in rows] == [_audit(at) for at in range(10)]
    assert [row.sequence for row in rows] == sorted({row.sequence for row in rows})
    assert await store.outbox("audit", limit=3) == rows[:3]
    await store.outbox_done([rows[0].sequence, rows[2].sequence])
    assert await store.outbox("audit") == [rows[1], *rows[3:]]


async def test_topics_do_not_see_each_other(store: Store) -> None:
    await store.commit(commit(outbox=(_audit(1), Outgoing("subscription", b"s", "k"))))
    assert [row.outgoing.payload for row in await store.outbox("subscription")] == [b"s"]
    assert await store.outbox("other") == []


async def test_undelivered_rows_survive_the_process(open_store: Opener) -> None:
    first = open_store()
    await first.commit(commit(outbox=(_audit(1), _audit(2))))
    rows = await first.outbox("audit")
    await first.outbox_done([rows[0].sequence])
    await first.close()
    assert [row.outgoing for row in await open_store().outbox("audit")] == [_audit(2)]


async def test_a_sequence_is_never_used_again(open_store: Opener) -> None:
    """A slow second delivery marks its row done: that must not be somebody else's row by now."""
    used: set[int] = set()
    for _ in range(3):
        store = open_store()
        await store.commit(commit(outbox=(_audit(1), _audit(2))))
        sequences = [row.sequence for row in await store.outbox("audit")]
        assert not used & set(sequences)
        used |= set(sequences)
        await store.outbox_done([*sequences, *used])
        assert await store.outbox("audit") == []
        await store.close()
