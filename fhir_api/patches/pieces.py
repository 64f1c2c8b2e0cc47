"""A JSON document that is opened only where it is changed; all else stays the bytes that were stored.

So decimals keep their text and members their spelling (``fhir_api/document.py``), and a patch of a large resource
costs what it touches. Everything that a patch makes the server read or write is counted: the copies of a hostile
patch run out of bytes before they fill the memory.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from fhir_api.document import joined
from fhir_api.errors import Category, FhirError

Piece: TypeAlias = "dict[str, Piece] | list[Piece] | bytes | msgspec.Raw"
"""Opened: a dict or list of pieces. Not opened, or a plain value: its bytes."""

_DECODERS: dict[bytes, msgspec.json.Decoder[Any]] = {
    b"{": msgspec.json.Decoder(dict[str, msgspec.Raw]),
    b"[": msgspec.json.Decoder(list[msgspec.Raw]),
}


class Budget:
    """How many bytes a patch may still make the server read and write."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes

    def spend(self, size: int) -> None:
        """Raises FhirError (413) where the budget is used up."""
        self._left -= size
        if self._left < 0:
            text = "The patch does too much: it copies or compares more than the server allows."
            raise FhirError(Category.TOO_LONG, text, "http.body")


def opened(piece: Piece, budget: Budget) -> Piece:
    """An object or array as its members; a plain value as it is."""
    if isinstance(piece, dict | list):
        return piece
    text = bytes(piece)
    budget.spend(len(text))
    decoder = _DECODERS.get(text[:1])
    return decoder.decode(text) if decoder else piece


def closed(piece: Piece, budget: Budget) -> bytes:
    """The piece as JSON; what was not opened is as it was."""
    text = _written(piece)
    budget.spend(len(text))
    return text


def _written(piece: Piece) -> bytes:
    match piece:
        case dict():
            return joined({name: _written(value) for name, value in piece.items()})
        case list():
            return b"[" + b",".join(map(_written, piece)) + b"]"
    return bytes(piece)
