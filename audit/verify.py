"""Whether the kept audit is what it was: every event, every block, every checkpoint, and nothing beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from audit.chain import BEGIN, Block, Head, Leaf
from audit.merkle import Frontier, root_of
from audit.signing import Checkpoint, Expiry, Signed
from audit.sqlite import BLOCK, CHECKPOINT, EVENT, EXPIRY, HEAD, block_id, decoded, every
from store.interface import Store
from store.query import Query


class Fault(StrEnum):
    """What was done to the audit."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT = "cut"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``what`` is the event's id, or ``block 7``."""

    fault: Fault
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, and what is wrong."""

    events: int
    expired: int
    blocks: int
    checkpoints: int
    findings: tuple[Finding, ...]


async def verify(store: Store, key: str, elsewhere: Sequence[Signed] = ()) -> Verdict:
    """Looks at everything.

    Args:
        store: the audit's own.
        key: the public key, in hexadecimal, that signed the checkpoints.
        elsewhere: checkpoints that were kept where nobody who can write the store can write.
    """
    return await _Verification(store, key).run(elsewhere)


class _Verification:
    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self._findings: list[Finding] = []
        self._here = 0
        self._expired = 0

    async def run(self, elsewhere: Sequence[Signed]) -> Verdict:
        checkpoints = await self._checkpoints(elsewhere)
        expired = await self._expired_blocks()
        version = await self._store.read(HEAD, "0")
        head = decoded(version, Head) or Head()
        blocks = max([head.blocks, *checkpoints])
        previous: str | None = BEGIN
        frontier = Frontier()
        whole, events = True, 0
        for number in range(blocks):
            block = decoded(await self._store.read(BLOCK, block_id(number)), Block)
            if block is None:
                await self._missing_block(number, head)
                previous, whole = None, False
                continue
            header = block.header
            events += len(block.leaves)
            self._block(block, number, previous)
            await self._events(block, expired=number in expired)
            previous = header.hash
            frontier.add(header.leaf)
            if whole and (signed := checkpoints.get(number + 1)):
                self._compare(signed, frontier, previous, events)
        if whole and (head.blocks, head.hash, head.events) != (blocks, previous, events):
            self._note(Fault.CUT, "head", "The head does not name the last block.")
        await self._inserted()
        return Verdict(self._here, self._expired, blocks, len(checkpoints), tuple(self._findings))

    def _note(self, fault: Fault, what: str, text: str) -> None:
        self._findings.append(Finding(fault, what, text))

    async def _checkpoints(self, elsewhere: Sequence[Signed]) -> dict[int, list[Checkpoint]]:
        """By the number of blocks that they are over; those that nobody signed are told and left out."""
        kept = [one async for one in self._signed(CHECKPOINT)]
        found: dict[int, list[Checkpoint]] = {}
        for place, signed in [
            *(("here", one) for one in kept),
            *(("elsewhere", e) for e in elsewhere),
        ]:
            statement = signed.statement
            if not isinstance(statement, Checkpoint):
                continue
            if not signed.is_by(self._key):
                what = f"checkpoint at {statement.blocks} blocks"
                self._note(
                    Fault.CHECKPOINT, what, f"The one kept {place} is not signed by the key."
                )
                continue
            same = found.setdefault(statement.blocks, [])
            if statement not in same:
                same.append(statement)
        here = {one.statement.blocks for one in kept if isinstance(one.statement, Checkpoint)}
        for signed in elsewhere:
            blocks = signed.statement.blocks
            if isinstance(blocks, int) and signed.is_by(self._key) and blocks not in here:
                what = f"checkpoint at {blocks} blocks"
                self._note(Fault.CHECKPOINT, what, "It is kept elsewhere and gone here.")
        return found

    async def _expired_blocks(self) -> frozenset[int]:
        found: set[int] = set()
        async for signed in self._signed(EXPIRY):
            if isinstance(signed.statement, Expiry) and signed.is_by(self._key):
                found.update(signed.statement.blocks)
            else:
                self._note(Fault.CHECKPOINT, "expiry", "A note of expiry is not signed by the key.")
        return frozenset(found)

    async def _signed(self, type: str) -> AsyncIterator[Signed]:
        async for version in every(self._store, type):
            signed = decoded(version, Signed)
            if signed is None:
                self._note(Fault.CHECKPOINT, f"{type} {version.id}", "It cannot be read.")
            else:
                yield signed

    async def _missing_block(self, number: int, head: Head) -> None:
        if number >= head.blocks:
            self._note(
                Fault.CUT, f"block {number}", "A checkpoint knows it, the chain ends before."
            )
        else:
            self._note(Fault.REMOVED, f"block {number}", "It is gone, or cannot be read.")

    def _block(self, block: Block, number: int, previous: str | None) -> None:
        header, name = block.header, f"block {number}"
        if header.number != number:
            self._note(Fault.REORDERED, name, f"Block {header.number} stands in its place.")
        if previous is not None and header.previous != previous:
            self._note(Fault.CHANGED, name, "The block before it is not the one that it follows.")
        root = root_of(leaf.hash for leaf in block.leaves).hex()
        if header.root != root or header.count != len(block.leaves):
            self._note(
                Fault.CHANGED, name, "Its events are not those, or not in the order, of its root."
            )

    async def _events(self, block: Block, *, expired: bool) -> None:
        leaves = block.leaves
        versions = await self._store.read_many([(EVENT, leaf.id) for leaf in leaves])
        wrong: list[tuple[Leaf, str]] = []
        for leaf, version in zip(leaves, versions, strict=True):
            if version is None or version.deleted:
                if expired:
                    self._expired += 1
                else:
                    self._note(
                        Fault.REMOVED, leaf.id, f"The event of block {block.header.number} is gone."
                    )
                continue
            self._here += 1
            found = sha256(version.content).hexdigest()
            if found != leaf.sha256:
                wrong.append((leaf, found))
        contents = {leaf.sha256: leaf.id for leaf, _ in wrong}
        for leaf, found in wrong:
            if found in contents:
                self._note(Fault.REORDERED, leaf.id, f"It holds what {contents[found]} is.")
            else:
                self._note(Fault.CHANGED, leaf.id, "Its content is not what was chained.")

    def _compare(
        self, statements: list[Checkpoint], frontier: Frontier, hash: str, events: int
    ) -> None:
        root = frontier.root().hex()
        for one in statements:
            if (one.root, one.head, one.events) != (root, hash, events):
                what = f"checkpoint at {one.blocks} blocks"
                self._note(
                    Fault.CHANGED, what, "The chain up to there is another one than was signed."
                )

    async def _inserted(self) -> None:
        """Events that no block names: looked for where there are more events than the blocks account for."""
        if await self._store.count(Query(EVENT)) == self._here:
            return
        chained: set[str] = set()
        async for version in every(self._store, BLOCK):
            block = decoded(version, Block)
            if block is not None:
                chained.update(leaf.id for leaf in block.leaves)
        async for version in every(self._store, EVENT):
            if version.id not in chained:
                self._note(Fault.INSERTED, version.id, "No block names it.")
