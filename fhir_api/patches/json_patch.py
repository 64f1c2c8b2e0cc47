"""JSON Patch: RFC 6902 on the bytes of a document (https://www.rfc-editor.org/rfc/rfc6902)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from fhir_api.document import parse
from fhir_api.errors import Category, FhirError
from fhir_api.patches.document import PatchedDocument, PatchFails, Tokens
from fhir_api.patches.pieces import Budget

MOST_OPERATIONS = 1000
MOST_STEPS = 128
"""Steps of one path."""

_ESCAPE: Final = re.compile(r"~(?![01])")
_exact = msgspec.json.Decoder(float_hook=Decimal)


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
    patched = PatchedDocument(document, Budget(most_bytes))
    for number, operation in enumerate(operations):
        try:
            _apply(patched, operation)
        except PatchFails as exc:
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


def _tokens(pointer: str) -> Tokens:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def _apply(document: PatchedDocument, operation: Operation) -> None:
    path = _tokens(operation.path)
    source = _tokens(operation.source or "")
    match operation.op:
        case "add":
            document.add(path, operation.value)
        case "remove":
            document.remove(path)
        case "replace":
            document.replace(path, operation.value)
        case "copy":
            document.add(path, document.copied(source))
        case "move":
            document.move(source, path)
        case "test":
            _test(document, path, bytes(operation.value))


def _test(document: PatchedDocument, path: Tokens, wanted: bytes) -> None:
    found = document.copied(path)
    if found == wanted:
        return
    document.budget.spend(len(wanted))
    if not _equal(_exact.decode(found), _exact.decode(wanted)):
        raise PatchFails("the value is another one.", Category.CONFLICT)


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
