"""JSON Patch: RFC 6902 on the bytes of a document (https://www.rfc-editor.org/rfc/rfc6902)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from fhir_api.document import parse
from fhir_api.errors import Category, FhirError
from fhir_api.patches.pieces import Budget, Piece, closed, opened

MOST_OPERATIONS = 1000
MOST_STEPS = 128
"""Steps of one path."""

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_ESCAPE: Final = re.compile(r"~(?![01])")
_exact = msgspec.json.Decoder(float_hook=Decimal)

Tokens = tuple[str, ...]
"""A JSON Pointer (RFC 6901), split and unescaped."""


class Operation(msgspec.Struct):
    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str
    source: str | None = msgspec.field(default=None, name="from")
    value: msgspec.Raw = msgspec.Raw()


_operations = msgspec.json.Decoder(list[Operation])


def read_json_patch(body: bytes, max_depth: int) -> list[Operation]:
    """The operations of a patch document.

    Raises:
        FhirError: it is no JSON Patch (400).
    """
    parse(b'{"patch":' + body + b"}", max_depth + 1)
    try:
        operations = _operations.decode(body)
    except msgspec.DecodeError as exc:
        text = "The body is no JSON Patch: an array of operations, each with a legal op and path."
        raise FhirError(Category.STRUCTURE, text, "http.body") from exc
    if len(operations) > MOST_OPERATIONS:
        text = f"A patch has at most {MOST_OPERATIONS} operations."
        raise FhirError(Category.TOO_COSTLY, text, "http.body")
    for number, operation in enumerate(operations):
        _require_members(operation, number)
    return operations


def apply_json_patch(operations: Sequence[Operation], document: bytes, most_bytes: int) -> bytes:
    """The patched document. ``most_bytes`` bounds what the patch reads, copies and compares.

    Raises:
        FhirError: an operation leads nowhere (422), a test fails (409), or the patch does too much (413).
    """
    patched = _Document(document, Budget(most_bytes))
    for number, operation in enumerate(operations):
        try:
            patched.apply(operation)
        except _Fails as exc:
            text = f"Operation {number} of the patch ({operation.op}): {exc}"
            raise FhirError(exc.category, text, "http.body") from exc
        except RecursionError as exc:
            text = "The patch nests values too deep."
            raise FhirError(Category.STRUCTURE, text, "http.body") from exc
    return patched.written()


def _require_members(operation: Operation, number: int) -> None:
    needs = {"move": "from", "copy": "from", "remove": None}.get(operation.op, "value")
    if needs == "from" and operation.source is None:
        missing = "from"
    elif needs == "value" and not bytes(operation.value):
        missing = "value"
    else:
        for pointer in (operation.path, operation.source or ""):
            if (pointer and not pointer.startswith("/")) or _ESCAPE.search(pointer):
                text = f"Operation {number} of the patch has a path that is no JSON Pointer."
                raise FhirError(Category.INVALID, text, "http.body")
            if pointer.count("/") > MOST_STEPS:
                text = f"A path of a patch has at most {MOST_STEPS} steps."
                raise FhirError(Category.TOO_COSTLY, text, "http.body")
        return
    text = f"Operation {number} of the patch ({operation.op}) has no {missing}."
    raise FhirError(Category.INVALID, text, "http.body")


class _Fails(Exception):
    """An operation that cannot be done; the message is for the client."""

    def __init__(self, text: str, category: Category = Category.UNPROCESSABLE) -> None:
        super().__init__(text)
        self.category = category


def _tokens(pointer: str) -> Tokens:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


class _Document:
    """The document while it is patched."""

    def __init__(self, body: bytes, budget: Budget) -> None:
        self._root: Piece = body
        self._budget = budget

    def written(self) -> bytes:
        return closed(self._root, self._budget)

    def apply(self, operation: Operation) -> None:
        path = _tokens(operation.path)
        source = _tokens(operation.source or "")
        match operation.op:
            case "add":
                self._add(path, operation.value)
            case "remove":
                self._remove(path)
            case "replace":
                self._value(path)
                self._replace(path, operation.value)
            case "copy":
                self._add(path, closed(self._value(source), self._budget))
            case "move":
                if path[: len(source)] == source and path != source:
                    raise _Fails("a value cannot be moved into itself.")
                value = closed(self._value(source), self._budget)
                if path != source:
                    self._remove(source)
                    self._add(path, value)
            case "test":
                self._test(path, operation.value)

    def _test(self, path: Tokens, expected: msgspec.Raw) -> None:
        found = closed(self._value(path), self._budget)
        wanted = bytes(expected)
        if found == wanted:
            return
        self._budget.spend(len(wanted))
        if not _equal(_exact.decode(found), _exact.decode(wanted)):
            raise _Fails("the value is another one.", Category.CONFLICT)

    def _add(self, path: Tokens, value: Piece) -> None:
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

    def _replace(self, path: Tokens, value: Piece) -> None:
        if not path:
            self._root = value
            return
        holder = self._holder(path)
        if isinstance(holder, dict):
            holder[path[-1]] = value
        else:
            holder[_index(path[-1], len(holder))] = value

    def _remove(self, path: Tokens) -> None:
        if not path:
            raise _Fails("the whole document cannot be removed.")
        self._value(path)
        holder = self._holder(path)
        if isinstance(holder, dict):
            del holder[path[-1]]
        else:
            del holder[_index(path[-1], len(holder))]

    def _value(self, path: Tokens) -> Piece:
        if not path:
            return self._root
        return _member(self._holder(path), path[-1])

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
        inside = opened(piece, self._budget)
        if isinstance(inside, dict | list):
            return inside
        raise _Fails("its path leads into a value that has no members.")


def _member(holder: dict[str, Piece] | list[Piece], token: str) -> Piece:
    if isinstance(holder, list):
        return holder[_index(token, len(holder))]
    if token not in holder:
        raise _Fails("there is nothing at its path.")
    return holder[token]


def _index(token: str, size: int) -> int:
    if not _INDEX.fullmatch(token):
        raise _Fails("its path has no index where there is an array.")
    if int(token) >= size:
        raise _Fails("its path has an index that the array does not have.")
    return int(token)


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401 - what JSON holds
    """RFC 6902 §4.6: numbers by value, true and 1 are different."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[n], other[n]) for n in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) in _KINDS.get(type(other), (type(other),)) and bool(one == other)


_NUMBERS = (int, float, Decimal)
_KINDS: dict[type, tuple[type, ...]] = dict.fromkeys(_NUMBERS, _NUMBERS)
