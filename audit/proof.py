"""Proof that one event is part of the audit that a checkpoint was signed over, without any other event."""

from __future__ import annotations

import msgspec

from audit.chain import Block, Header, Leaf
from audit.errors import ChainInvalid
from audit.merkle import path_of, root_by
from audit.signing import Checkpoint, Signed
from audit.sqlite import BLOCK, CHECKPOINT, EVENT, RECORDED, block_id, decoded, every
from store.interface import Store
from store.query import Compare, DateIs


class Proof(msgspec.Struct, frozen=True):
    """The event, its way to its block's root, and the block's to the signed one's."""

    id: str
    event: str
    """Its JSON, as it is kept."""
    index: int
    path: tuple[str, ...]
    block: Header
    block_path: tuple[str, ...]
    checkpoint: Signed


async def proof_of(store: Store, id: str) -> Proof:
    """The proof of an event that is kept, by the newest checkpoint.

    Raises:
        ChainInvalid: there is no such event, or no block or checkpoint that has it.
    """
    version = await store.read(EVENT, id)
    if version is None or version.deleted:
        raise ChainInvalid(f"There is no AuditEvent {id}.")
    block, index = await _block_of(store, id, version.last_updated_us)
    signed = await _newest_checkpoint(store)
    number = block.header.number
    if signed is None or not isinstance(signed.statement, Checkpoint):
        raise ChainInvalid("No checkpoint was made yet.")
    if number >= signed.statement.blocks:
        raise ChainInvalid("No checkpoint was made since: try again in a while.")
    blocks = []
    for one in range(signed.statement.blocks):
        found = decoded(await store.read(BLOCK, block_id(one)), Block)
        if found is None:
            raise ChainInvalid(f"Block {one} is gone.")
        blocks.append(found.header.leaf)
    return Proof(
        id=id,
        event=version.content.decode(),
        index=index,
        path=tuple(one.hex() for one in path_of([leaf.hash for leaf in block.leaves], index)),
        block=block.header,
        block_path=tuple(one.hex() for one in path_of(blocks, number)),
        checkpoint=signed,
    )


def holds(proof: Proof, key: str) -> bool:
    """Whether the event was part of the audit when the key (hexadecimal) signed the checkpoint."""
    statement = proof.checkpoint.statement
    if not isinstance(statement, Checkpoint) or not proof.checkpoint.is_by(key):
        return False
    leaf = Leaf.of(proof.id, proof.event.encode()).hash
    try:
        path = [bytes.fromhex(one) for one in proof.path]
        block_path = [bytes.fromhex(one) for one in proof.block_path]
    except ValueError:
        return False
    block = proof.block
    root = root_by(path, leaf, proof.index, block.count)
    top = root_by(block_path, block.leaf, block.number, statement.blocks)
    return (
        root is not None
        and top is not None
        and (root.hex(), top.hex()) == (block.root, statement.root)
    )


async def _block_of(store: Store, id: str, recorded_us: int) -> tuple[Block, int]:
    then = (DateIs(RECORDED, Compare.AP, recorded_us, recorded_us + 1),)
    async for version in every(store, BLOCK, then):
        block = decoded(version, Block)
        for index, leaf in enumerate(block.leaves if block else ()):
            if block is not None and leaf.id == id:
                return block, index
    raise ChainInvalid(f"No block names AuditEvent {id}.")


async def _newest_checkpoint(store: Store) -> Signed | None:
    newest: Signed | None = None
    async for version in every(store, CHECKPOINT):
        newest = decoded(version, Signed) or newest
    return newest
