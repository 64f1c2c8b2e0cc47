"""FHIRPath Patch on any element of the official examples: what was taken away and put back is there as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from fhir_api.definitions.elements import PRIMITIVES, TYPES, properties_of
from fhir_api.fhirpath import Node, resource_node
from fhir_api.fhirpath.nodes import children
from fhir_api.patches.fhirpath_patch import apply_fhirpath_patch, read_fhirpath_patch
from tests.fhir_api.patches.test_fhirpath_patch import PLENTY, named, operation, part
from tests.fhir_api.validation.official_examples import official_package, valid_examples

ELEMENTS = 4
"""Of each example."""


def examples() -> Iterator[tuple[str, bytes]]:
    """Every thirtieth of the small ones."""
    small = (
        (name, body) for name, body in valid_examples(official_package()) if len(body) < 20_000
    )
    return islice(small, 0, None, 30)


def elements(node: Node) -> Iterator[Node]:
    """Those below ``node`` whose type has a name that a parameter's value can have."""
    for child in children(node):
        named_type = child.type in PRIMITIVES or TYPES[child.type].kind == "datatype"
        if named_type and child.type not in {"xhtml", "Narrative"} and child.name[0] != "_":
            yield child
        if isinstance(child.value, dict) and child.name != "contained":
            yield from elements(child)


def path_of(node: Node) -> str:
    if node.parent is None:
        return node.type
    index = "" if node.index is None else f"[{node.index}]"
    return f"{path_of(node.parent)}.{element_name(node)}{index}"


def element_name(node: Node) -> str:
    assert node.parent is not None
    return properties_of(node.parent.type)[node.name].element_name.removesuffix("[x]")


def value_of(node: Node) -> dict[str, Any]:
    member = f"value{node.type[0].upper()}{node.type[1:]}"
    said = {member: node.value, f"_{member}": node.extra}
    return part("value", **{name: value for name, value in said.items() if value is not None})


def patched(body: bytes, *operations: dict[str, Any]) -> Any:
    patch = orjson.dumps({"resourceType": "Parameters", "parameter": operations})
    return orjson.loads(apply_fhirpath_patch(read_fhirpath_patch(patch), body, PLENTY))


def put_back(node: Node) -> list[dict[str, Any]]:
    """The operations that make the element again where it was."""
    assert node.parent is not None
    parent = path_of(node.parent)
    if node.index is None:
        return [operation("add", parent, named(element_name(node)), value_of(node))]
    siblings = node.parent.value[node.name] or node.parent.value[f"_{node.name}"]
    if len(siblings) == 1:
        return [operation("add", parent, named(element_name(node)), value_of(node))]
    at = part("index", valueInteger=node.index)
    return [operation("insert", f"{parent}.{element_name(node)}", at, value_of(node))]


def test_an_element_replaced_by_itself_or_taken_away_and_put_back_is_as_it_was() -> None:
    chance, seen = random.Random(12), 0
    for name, body in examples():
        tree = orjson.loads(body)
        found = list(elements(resource_node(tree)))
        for node in chance.sample(found, min(ELEMENTS, len(found))):
            path = path_of(node)
            same = patched(body, operation("replace", path, value_of(node)))
            assert same == tree, (name, path)
            assert node.parent is not None
            if len(node.parent.value) > 1:  # else its parent goes too
                back = patched(body, operation("delete", path), *put_back(node))
                assert back == tree, (name, path)
            seen += 1
    assert seen > 300
