"""What is done to the audit behind its back is found and named; what belongs to its life is not."""

from __future__ import annotations

import msgspec

from audit.chain import Block, Head, appended
from audit.proof import Proof, holds, proof_of
from audit.signing import Checkpoint, Signed, Signer
from audit.sqlite import BLOCK, CHECKPOINT, EVENT, HEAD
from store.interface import Commit, Write
from tests.audit.conftest import Audit, event, three_blocks

CONTENT = """UPDATE version SET content = ? WHERE rid = (
    SELECT rid FROM resource JOIN name ON name.id = resource.type WHERE name.text = ? AND resource.id = ?)"""
REMOVE = """DELETE FROM resource WHERE id = ? AND type = (SELECT id FROM name WHERE text = ?)"""


def block_name(number: int) -> str:
    return f"{number:012d}"


async def test_what_nobody_touched_is_whole(audit: Audit) -> None:
    await three_blocks(audit)
    verdict = await audit.verdict(*audit.kept_elsewhere())
    assert verdict.findings == ()
    assert (verdict.events, verdict.blocks, verdict.checkpoints) == (9, 3, 2)


async def test_an_empty_audit_is_whole(audit: Audit) -> None:
    await audit.sink.checkpoint(1)
    assert await audit.faults() == set()


async def test_what_comes_twice_is_kept_once(audit: Audit) -> None:
    assert await audit.sink.deliver([event(1), event(2), event(1)]) == 2
    assert await audit.sink.deliver([event(2), event(3)]) == 1
    assert await audit.sink.deliver([event(2)]) == 0
    verdict = await audit.verdict()
    assert (verdict.events, verdict.blocks, verdict.findings) == (3, 2, ())


async def test_one_changed_bit_is_found_and_its_event_named(audit: Audit) -> None:
    await three_blocks(audit)
    changed = bytearray(event(4).content)
    changed[-3] ^= 1
    with audit.behind_its_back() as database:
        database.execute(CONTENT, (bytes(changed), EVENT, "e4"))
    assert await audit.faults() == {("changed", "e4")}


async def test_a_removed_event_is_named(audit: Audit) -> None:
    await three_blocks(audit)
    with audit.behind_its_back() as database:
        database.execute(REMOVE, ("e7", EVENT))
    assert await audit.faults() == {("removed", "e7")}


async def test_an_event_that_was_deleted_through_the_store_is_named(audit: Audit) -> None:
    await three_blocks(audit)
    deletion = Write(EVENT, "e0", 2, 1, 1, "DELETE", b"", keep_history=False)
    await audit.store.commit(Commit(writes=(deletion,)))
    assert await audit.faults() == {("removed", "e0")}


async def test_two_swapped_events_are_named(audit: Audit) -> None:
    await three_blocks(audit)
    with audit.behind_its_back() as database:
        database.execute(CONTENT, (event(1).content, EVENT, "e2"))
        database.execute(CONTENT, (event(2).content, EVENT, "e1"))
    assert await audit.faults() == {("reordered", "e1"), ("reordered", "e2")}


async def test_two_swapped_blocks_are_named(audit: Audit) -> None:
    await three_blocks(audit)
    contents = []
    for number in (0, 1):
        version = await audit.store.read(BLOCK, block_name(number))
        assert version is not None
        contents.append(version.content)
    with audit.behind_its_back() as database:
        database.execute(CONTENT, (contents[1], BLOCK, block_name(0)))
        database.execute(CONTENT, (contents[0], BLOCK, block_name(1)))
    faults = await audit.faults()
    assert {("reordered", "block 0"), ("reordered", "block 1")} <= faults


async def test_a_forged_insert_is_named(audit: Audit) -> None:
    await three_blocks(audit)
    forged = event(99)
    write = Write(EVENT, forged.id, 1, 0, 1, "POST", forged.content, keep_history=False)
    await audit.store.commit(Commit(writes=(write,)))
    assert await audit.faults() == {("inserted", "e99")}


async def test_an_insert_that_hides_a_removal_is_named_too(audit: Audit) -> None:
    await three_blocks(audit)
    with audit.behind_its_back() as database:
        database.execute(
            "UPDATE resource SET id = 'e99' WHERE id = 'e5'",
        )
    assert await audit.faults() == {("removed", "e5"), ("inserted", "e99")}


async def cut(audit: Audit) -> None:
    """The last block goes, with its events, and the head is set back as if it had never been."""
    head = Head()
    for block in range(2):
        _, head = appended(head, [event(3 * block + n) for n in range(3)])
    with audit.behind_its_back() as database:
        for id in ("e6", "e7", "e8"):
            database.execute(REMOVE, (id, EVENT))
        database.execute(REMOVE, (block_name(2), BLOCK))
        database.execute(CONTENT, (msgspec.json.encode(head), HEAD, "0"))


async def test_a_tail_that_was_cut_is_found_by_the_checkpoint_here(audit: Audit) -> None:
    await three_blocks(audit)
    await cut(audit)
    assert ("cut", "block 2") in await audit.faults()


async def test_a_tail_that_was_cut_with_its_checkpoint_is_found_by_one_kept_elsewhere(
    audit: Audit,
) -> None:
    await three_blocks(audit)
    await cut(audit)
    with audit.behind_its_back() as database:
        database.execute(REMOVE, (block_name(3), CHECKPOINT))
    assert await audit.faults() == set()
    faults = await audit.faults(*audit.kept_elsewhere())
    assert faults == {("cut", "block 2"), ("checkpoint", "checkpoint at 3 blocks")}


async def test_a_tail_that_was_cut_before_any_checkpoint_is_found_by_the_head(audit: Audit) -> None:
    await three_blocks(audit)
    await audit.sink.deliver([event(9)])
    with audit.behind_its_back() as database:
        database.execute(REMOVE, ("e9", EVENT))
        database.execute(REMOVE, (block_name(3), BLOCK))
    assert await audit.faults() == {("removed", "block 3")}


async def rewritten(audit: Audit) -> Head:
    """An event is changed and the whole chain made anew over it: only a signature can tell."""
    head = Head()
    with audit.behind_its_back() as database:
        for number in range(3):
            events = [event(3 * number + n) for n in range(3)]
            if number == 1:
                forged = event(4).content.replace(b'"4"', b'"X"')
                events[1] = msgspec.structs.replace(events[1], content=forged)
                database.execute(CONTENT, (forged, EVENT, "e4"))
            block, head = appended(head, events)
            content = msgspec.json.encode(block)
            database.execute(CONTENT, (content, BLOCK, block_name(number)))
        database.execute(CONTENT, (msgspec.json.encode(head), HEAD, "0"))
    return head


async def test_a_chain_that_was_made_anew_is_not_what_was_signed(audit: Audit) -> None:
    await three_blocks(audit)
    await rewritten(audit)
    assert await audit.faults() == {
        ("changed", "checkpoint at 2 blocks"),
        ("changed", "checkpoint at 3 blocks"),
    }


async def test_a_replaced_checkpoint_is_named(audit: Audit) -> None:
    """Signed with another key; and with the deployment's own, but not what was kept elsewhere."""
    await three_blocks(audit)
    head = await rewritten(audit)
    statement = Checkpoint(head.blocks, head.events, head.hash, head.root, 1)
    for signer in (Signer(audit.folder / "forger"), audit.signer):
        signed = signer.sign(statement)
        with audit.behind_its_back() as database:
            content = msgspec.json.encode(signed)
            database.execute(CONTENT, (content, CHECKPOINT, block_name(3)))
            database.execute(REMOVE, (block_name(2), CHECKPOINT))
        faults = await audit.faults(*audit.kept_elsewhere())
        assert ("changed", "checkpoint at 3 blocks") in faults
        assert ("checkpoint", "checkpoint at 2 blocks") in faults
        if signer is not audit.signer:
            assert ("checkpoint", "checkpoint at 3 blocks") in faults


async def test_a_block_that_cannot_be_read_is_named(audit: Audit) -> None:
    await three_blocks(audit)
    with audit.behind_its_back() as database:
        database.execute(CONTENT, (b"{", BLOCK, block_name(1)))
    assert ("removed", "block 1") in await audit.faults()


async def test_an_event_is_proved_without_the_others(audit: Audit) -> None:
    await three_blocks(audit)
    for number in range(9):
        proof = await proof_of(audit.store, f"e{number}")
        again = msgspec.json.decode(msgspec.json.encode(proof), type=Proof)
        assert holds(again, audit.signer.public)
        forged = msgspec.structs.replace(again, event=again.event.replace("Audit", "Audio"))
        assert not holds(forged, audit.signer.public)
        assert not holds(again, Signer(audit.folder / "other").public)
        moved = msgspec.structs.replace(again, index=again.index + 1)
        assert not holds(moved, audit.signer.public)


def test_a_signature_is_over_every_member(audit: Audit) -> None:
    signed = audit.signer.sign(Checkpoint(1, 2, "h", "r", 3))
    assert signed.is_by(audit.signer.public)
    for name, value in (("blocks", 2), ("events", 3), ("head", "x"), ("root", "x"), ("at_us", 4)):
        other = msgspec.structs.replace(signed.statement, **{name: value})
        assert not Signed(other, signed.key, signed.signature).is_by(audit.signer.public)


def test_a_block_is_its_events_in_their_order() -> None:
    forwards, _ = appended(Head(), [event(1), event(2)])
    backwards, _ = appended(Head(), [event(2), event(1)])
    assert forwards.header.hash != backwards.header.hash
    again = msgspec.json.decode(msgspec.json.encode(forwards), type=Block)
    assert again.header.hash == forwards.header.hash
