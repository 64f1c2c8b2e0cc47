"""The chain: each delivery is a block that names its events by their hashes, and the block before by its own.

The blocks are the leaves of a Merkle tree. Who has kept its root at some time can tell whether anything before then was
changed, moved, removed or added; and that an event is part of it can be shown without the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

from audit.balp import Event
from audit.merkle import Frontier, leaf_hash, root_of

BEGIN: Final = "0" * 64


class Leaf(msgspec.Struct, frozen=True, array_like=True):
    """An event's id, and the SHA-256 of its JSON in hexadecimal."""

    id: str
    sha256: str

    @classmethod
    def of(cls, id: str, content: bytes) -> Leaf:
        return cls(id, sha256(content).hexdigest())

    @property
    def hash(self) -> bytes:
        return leaf_hash(f"{self.id}\n{self.sha256}".encode())


class Header(msgspec.Struct, frozen=True):
    """What a block's hash is over. ``root`` is that of its leaves."""

    number: int
    previous: str
    count: int
    low_us: int
    high_us: int
    """When the events were recorded: the first and the last."""
    root: str

    @property
    def hash(self) -> str:
        text = f"healthvision audit block\n{self.number}\n{self.previous}\n{self.count}\n"
        return sha256(f"{text}{self.low_us}\n{self.high_us}\n{self.root}".encode()).hexdigest()

    @property
    def leaf(self) -> bytes:
        """As it stands in the tree of blocks."""
        return leaf_hash(bytes.fromhex(self.hash))


class Block(msgspec.Struct, frozen=True):
    header: Header
    leaves: tuple[Leaf, ...]


class Head(msgspec.Struct, frozen=True):
    """How long the chain is and where it ends. ``edge`` is the Merkle tree's."""

    blocks: int = 0
    events: int = 0
    hash: str = BEGIN
    edge: tuple[str, ...] = ()

    @property
    def frontier(self) -> Frontier:
        return Frontier(self.blocks, [bytes.fromhex(one) for one in self.edge])

    @property
    def root(self) -> str:
        return self.frontier.root().hex()


def appended(head: Head, events: Sequence[Event]) -> tuple[Block, Head]:
    """The next block, of at least one event, and the head with it."""
    leaves = tuple(Leaf.of(event.id, event.content) for event in events)
    header = Header(
        number=head.blocks,
        previous=head.hash,
        count=len(leaves),
        low_us=min(event.recorded_us for event in events),
        high_us=max(event.recorded_us for event in events),
        root=root_of(leaf.hash for leaf in leaves).hex(),
    )
    frontier = head.frontier
    frontier.add(header.leaf)
    edge = tuple(one.hex() for one in frontier.edge)
    return Block(header, leaves), Head(
        head.blocks + 1, head.events + len(leaves), header.hash, edge
    )
