"""Merkle trees and their proofs of inclusion (https://www.rfc-editor.org/rfc/rfc9162#section-2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: what its next root is made of, and no more."""

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """``edge``: the roots of the whole subtrees, largest first, one for each bit of ``size``."""
        self.size = size
        self.edge = list(edge)

    def add(self, leaf: bytes) -> None:
        """Appends a leaf, hashed already."""
        merged, size = leaf, self.size
        while size & 1:
            merged = node_hash(self.edge.pop(), merged)
            size >>= 1
        self.edge.append(merged)
        self.size += 1

    def root(self) -> bytes:
        if not self.edge:
            return EMPTY
        root = self.edge[-1]
        for subtree in reversed(self.edge[:-1]):
            root = node_hash(subtree, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaves, hashed already."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What the root is made of beside the leaf at ``index``, from the leaf up."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path_of(leaves[:split], index), root_of(leaves[split:])]
    return [*path_of(leaves[split:], index - split), root_of(leaves[:split])]


def root_by(path: Sequence[bytes], leaf: bytes, index: int, size: int) -> bytes | None:
    """The root that a proof leads to; None where it is none for that place."""
    if not 0 <= index < size:
        return None
    at, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None
