"""A document while it is patched: the steps that every kind of patch is made of.

Paths are those of JSON Pointer (RFC 6901) without its escapes: a step names a member, or the index in an array; '-' is
the place after an array's last.
"""

from __future__ import annotations

import re
from typing import Final

from fhir_api.errors import Category
from fhir_api.patches.pieces import Budget, Piece, closed, opened

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")

Tokens = tuple[str, ...]
"""The steps of a path."""


class PatchFails(Exception):
    """An operation that cannot be done; the message is for the client."""

    def __init__(self, text: str, category: Category = Category.UNPROCESSABLE) -> None:
        super().__init__(text)
        self.category = category


class PatchedDocument:
    """The document while it is patched."""

    def __init__(self, body: bytes, budget: Budget) -> None:
        self._root: Piece = body
        self.budget = budget

    def written(self) -> bytes:
        """The document as it is now."""
        return closed(self._root, self.budget)

    def copied(self, path: Tokens) -> bytes:
        """The value at ``path``, as it can stand elsewhere too."""
        return closed(self.value(path), self.budget)

    def move(self, source: Tokens, path: Tokens) -> None:
        if path == source:
            self.value(source)
            return
        if path[: len(source)] == source:
            raise PatchFails("a value cannot be moved into itself.")
        value = self.copied(source)
        self.remove(source)
        self.add(path, value)

    def add(self, path: Tokens, value: Piece) -> None:
        if not path:
            self._root = value
            return
        holder = self._holder(path)
        if isinstance(holder, dict):
            holder[path[-1]] = value
        elif path[-1] == "-":
            holder.append(value)
        else:
            holder.insert(_index(path[-1], len(holder) + 1), value)

    def replace(self, path: Tokens, value: Piece) -> None:
        if not path:
            self._root = value
            return
        self.value(path)
        holder = self._holder(path)
        if isinstance(holder, dict):
            holder[path[-1]] = value
        else:
            holder[_index(path[-1], len(holder))] = value

    def remove(self, path: Tokens) -> None:
        if not path:
            raise PatchFails("the whole document cannot be removed.")
        self.value(path)
        holder = self._holder(path)
        if isinstance(holder, dict):
            del holder[path[-1]]
        else:
            del holder[_index(path[-1], len(holder))]

    def value(self, path: Tokens) -> Piece:
        if not path:
            return self._root
        return _member(self._holder(path), path[-1])

    def inside(self, path: Tokens) -> dict[str, Piece] | list[Piece]:
        """The object or array at ``path``, to be changed in place."""
        return self._holder((*path, ""))

    def _holder(self, path: Tokens) -> dict[str, Piece] | list[Piece]:
        """The object or array that has, or will have, the value at ``path``; opened, with all above it."""
        holder = self._root = self._opened(self._root)
        for token in path[:-1]:
            child = self._opened(_member(holder, token))
            if isinstance(holder, dict):
                holder[token] = child
            else:
                holder[int(token)] = child
            holder = child
        return holder

    def _opened(self, piece: Piece) -> dict[str, Piece] | list[Piece]:
        inside = opened(piece, self.budget)
        if isinstance(inside, dict | list):
            return inside
        raise PatchFails("its path leads into a value that has no members.")


def _member(holder: dict[str, Piece] | list[Piece], token: str) -> Piece:
    if isinstance(holder, list):
        return holder[_index(token, len(holder))]
    if token not in holder:
        raise PatchFails("there is nothing at its path.")
    return holder[token]


def _index(token: str, size: int) -> int:
    if not _INDEX.fullmatch(token):
        raise PatchFails("its path has no index where there is an array.")
    if int(token) >= size:
        raise PatchFails("its path has an index that the array does not have.")
    return int(token)
