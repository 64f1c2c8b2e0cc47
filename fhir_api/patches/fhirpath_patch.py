"""FHIRPath Patch (https://hl7.org/fhir/R4/fhirpatch.html): operations in a Parameters resource.

Each operation looks at the resource as the one before it left it. What it adds is the text that was sent; what it does
not touch is the text that was stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from fhir_api.definitions.elements import is_primitive, properties_of
from fhir_api.errors import Category, FhirError
from fhir_api.fhirpath import (
    EvaluationError,
    Expression,
    ExpressionError,
    Node,
    TooCostly,
    compile_expression,
    resource_node,
)
from fhir_api.patches.document import PatchedDocument, PatchFails
from fhir_api.patches.elements import Element, Given, List, chosen, composed, given_by, prune
from fhir_api.patches.pieces import Budget

MOST_OPERATIONS = 100
MOST_CHARACTERS = 500
"""Of one path."""
STEPS = 5_000
"""The budget of one path's evaluation: about 5 ms."""

Part = dict[str, msgspec.Raw]
"""A part of the Parameters by its members, as they were sent."""

_PARTS = {
    "add": frozenset({"type", "path", "name", "value"}),
    "insert": frozenset({"type", "path", "index", "value"}),
    "delete": frozenset({"type", "path"}),
    "replace": frozenset({"type", "path", "value"}),
    "move": frozenset({"type", "path", "source", "destination"}),
}


class _Parameter(msgspec.Struct):
    name: str
    part: list[Part] = []


class _Parameters(msgspec.Struct):
    parameter: list[_Parameter] = []


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; what its type does not need is empty."""

    type: str
    path: Expression
    name: str
    value: Part
    numbers: tuple[int, ...]
    """index, or source and destination."""


def read_fhirpath_patch(body: bytes) -> list[Operation]:
    """The operations of a Parameters resource, which is valid.

    Raises:
        FhirError: they are no FHIRPath Patch (400).
    """
    parameters = msgspec.json.decode(body, type=_Parameters).parameter
    if len(parameters) > MOST_OPERATIONS:
        text = f"A FHIRPath Patch has at most {MOST_OPERATIONS} operations."
        raise FhirError(Category.TOO_COSTLY, text, "Parameters.parameter")
    return [_operation(one, f"Parameters.parameter[{i}]") for i, one in enumerate(parameters)]


def _operation(parameter: _Parameter, place: str) -> Operation:
    if parameter.name != "operation":
        text = "Each parameter of a FHIRPath Patch is named operation."
        raise FhirError(Category.INVALID, text, f"{place}.name")
    parts: dict[str, Part] = {}
    for part in parameter.part:
        name = orjson.loads(bytes(part["name"]))
        if name in parts:
            raise FhirError(Category.INVALID, "A part of the operation is there twice.", place)
        parts[name] = part
    type = _plain(parts.get("type"))
    if type not in _PARTS:
        text = "The part type is one of " + ", ".join(_PARTS) + "."
        raise FhirError(Category.INVALID, text, place)
    if parts.keys() != _PARTS[type]:
        text = f"The operation {type} has the parts " + ", ".join(sorted(_PARTS[type])) + "."
        raise FhirError(Category.INVALID, text, place)
    name = _plain(parts.get("name"))
    numbers = [_plain(parts[n]) for n in ("index", "source", "destination") if n in parts]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
        text = "index, source and destination are integers from 0 on."
        raise FhirError(Category.INVALID, text, place)
    if "name" in parts and not isinstance(name, str):
        raise FhirError(Category.INVALID, "The part name is a string.", place)
    path = _path(_plain(parts["path"]), place)
    return Operation(type, path, name or "", parts.get("value", {}), tuple(numbers))


def _plain(part: Part | None) -> Any:  # noqa: ANN401 - whatever value it has
    value = next((raw for name, raw in (part or {}).items() if name.startswith("value")), None)
    return None if value is None else orjson.loads(bytes(value))


def _path(text: object, place: str) -> Expression:
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        said = f"The part path is a string of at most {MOST_CHARACTERS} characters."
        raise FhirError(Category.INVALID, said, place)
    try:
        return compile_expression(text)
    except ExpressionError as exc:
        raise FhirError(Category.INVALID, "The part path is no FHIRPath.", place) from exc


def apply_fhirpath_patch(
    operations: Sequence[Operation], document: bytes, most_bytes: int
) -> bytes:
    """The patched resource. ``most_bytes`` bounds what the patch reads and writes.

    Raises:
        FhirError: an operation leads nowhere (422), or the patch does too much (403, 413).
    """
    budget = Budget(most_bytes)
    body = document
    for index, operation in enumerate(operations):
        place = f"Parameters.parameter[{index}]"
        budget.spend(len(body))
        try:
            patched = PatchedDocument(body, budget)
            _apply(operation, resource_node(orjson.loads(body)), patched)
            body = patched.written()
        except (PatchFails, EvaluationError) as exc:
            said = (
                str(exc) if isinstance(exc, PatchFails) else "its path does not fit the resource."
            )
            text = f"Operation {index} of the patch ({operation.type}): {said}"
            raise FhirError(Category.UNPROCESSABLE, text, place) from exc
        except TooCostly as exc:
            text = f"The path of operation {index} is too costly to evaluate."
            raise FhirError(Category.TOO_COSTLY, text, place) from exc
    return body


def _apply(operation: Operation, root: Node, document: PatchedDocument) -> None:
    nodes = operation.path.evaluate(root, steps=STEPS)
    if any(not node.is_element for node in nodes):
        raise PatchFails("its path calculates a value; it has to lead to an element.")
    match operation.type:
        case "add":
            _add(_only(nodes), operation, document)
        case "replace":
            _replace(_only(nodes), given_by(operation.value), document)
        case "delete":
            if nodes:
                _delete(_only(nodes), document)
        case "insert":
            _insert(nodes, operation, document)
        case "move":
            _move(nodes, operation, document)


def _only(nodes: list[Node]) -> Node:
    if len(nodes) != 1:
        how_many = "several elements" if nodes else "no element"
        raise PatchFails(f"its path leads to {how_many} where it has to lead to one.")
    return nodes[0]


def _add(node: Node, operation: Operation, document: PatchedDocument) -> None:
    owner = document.inside(_children_of(node, document))
    assert isinstance(owner, dict)
    given = given_by(operation.value)
    row = chosen("Element" if is_primitive(node.type) else node.type, operation.name, given)
    element = composed(given, row.type)
    if row.element.repeats:
        List.of(owner, row.name, document.budget).insert(None, element)
    elif row.name in owner or f"_{row.name}" in owner:
        raise PatchFails("the element is there already, and cannot repeat.")
    else:
        element.store(owner, row.name)


def _replace(node: Node, given: Given, document: PatchedDocument) -> None:
    parent, owner = _owner(node, document)
    row = chosen(parent.type, _element_name(parent, node), given)
    element = composed(given, row.type)
    if node.index is not None:
        List.of(owner, node.name, document.budget).replace(node.index, element)
        return
    for old in (node.name, f"_{node.name}"):
        if old.removeprefix("_") != row.name:
            owner.pop(old, None)
    element.store(owner, row.name)


def _delete(node: Node, document: PatchedDocument) -> None:
    parent, owner = _owner(node, document)
    if node.index is None:
        Element(None, None).store(owner, node.name)
    else:
        List.of(owner, node.name, document.budget).remove(node.index)
    prune(document, _tokens(parent))


def _insert(nodes: list[Node], operation: Operation, document: PatchedDocument) -> None:
    parent, name, elements = _whole_list(nodes, document)
    [index] = operation.numbers
    if index > len(nodes):
        raise PatchFails("its index is beyond the end of the list.")
    given = given_by(operation.value)
    row = chosen(parent.type, name, given)
    elements.insert(index, composed(given, row.type))


def _move(nodes: list[Node], operation: Operation, document: PatchedDocument) -> None:
    _, _, elements = _whole_list(nodes, document)
    source, destination = operation.numbers
    if max(source, destination) >= len(nodes):
        raise PatchFails("its source or destination is beyond the end of the list.")
    elements.move(source, destination)


def _whole_list(nodes: list[Node], document: PatchedDocument) -> tuple[Node, str, List]:
    """Parent, element name and elements of the list that the nodes are, all of them."""
    if not nodes:
        raise PatchFails("its path leads to no list; add makes the first element of one.")
    first = nodes[0]
    parent, owner = _owner(first, document)
    elements = List.of(owner, first.name, document.budget)
    where = [(*_tokens(node.parent), node.name) for node in nodes]
    if len(set(where)) > 1 or [node.index for node in nodes] != list(range(len(elements.rows))):
        raise PatchFails("its path has to lead to one whole list.")
    return parent, _element_name(parent, first), elements


def _owner(node: Node, document: PatchedDocument) -> tuple[Node, dict[str, Any]]:
    if node.parent is None:
        raise PatchFails("the resource itself cannot be changed so.")
    owner = document.inside(_tokens(node.parent))
    assert isinstance(owner, dict)
    return node.parent, owner


def _element_name(parent: Node, node: Node) -> str:
    return properties_of(parent.type)[node.name].element_name.removesuffix("[x]")


def _tokens(node: Node | None) -> tuple[str, ...]:
    return tuple(str(key) for key in node.keys) if node else ()


def _children_of(node: Node, document: PatchedDocument) -> tuple[str, ...]:
    """Where the children of an element stand: of a primitive, in the member beside it, which is made if need be."""
    if isinstance(node.value, dict) or node.parent is None:
        return _tokens(node)
    owner = document.inside(_tokens(node.parent))
    assert isinstance(owner, dict)
    beside = f"_{node.name}"
    if node.index is None:
        owner.setdefault(beside, b"{}")
        return (*_tokens(node.parent), beside)
    List.of(owner, node.name, document.budget).give_extra(node.index)
    return (*_tokens(node.parent), beside, str(node.index))
