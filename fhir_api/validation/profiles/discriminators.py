"""How a slice knows its own (https://hl7.org/fhir/R4/profiling.html#discriminator).

A discriminator's path leads, in the profile, to what the slice says of that element, and in a resource to the elements
to hold it against.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from fhir_api.conformance.constraint_tree import (
    STRUCTURE_DEFINITION,
    Constraints,
    ProfileInvalid,
    type_profiles,
)
from fhir_api.definitions.elements import TYPES, is_a
from fhir_api.fhirpath import ExpressionError, Node, compile_expression
from fhir_api.validation.profiles.checking import conforms, is_like
from fhir_api.validation.profiles.rules import Criterion, ItemRule
from fhir_api.validation.profiles.run import Run
from fhir_api.validation.profiles.targets import target_profiles

if TYPE_CHECKING:
    from fhir_api.validation.profiles.compiling import Compiler

Tree = Callable[[str], Constraints | None]
"""Canonical → what that profile adds to its type; None where it is not known."""
At = Callable[[Node, Run], Sequence[Node]]

_STEP: Final = re.compile(r"(\$this|[A-Za-z]\w*)(?:\(\s*'?([^()']*)'?\s*\))?(?:\.|$)")


def criterion(
    row: Mapping[str, str], slice_: Constraints, tree_of: Tree, compiler: Compiler
) -> Criterion | None:
    """How one discriminator knows the slice; None where the slice says nothing of what it looks at.

    Raises:
        ProfileInvalid: the path is none that a discriminator may have.
    """
    kind, path = row.get("type", ""), row.get("path", "")
    steps = _steps(path)
    if kind in ("value", "pattern") and path == "url":
        url = _extension_url(slice_)
        if url is not None:
            return lambda node, _run: isinstance(node.value, dict) and node.value.get("url") == url
    at = _elements_at(path)
    said = _definitions(slice_, steps, tree_of)
    match kind:
        case "value" | "pattern":
            rules = [compiler.tests(definition) for definition in said]
            return _value(at, [rule for rule in rules if rule.identifies])
        case "exists":
            return _existence(at, said)
        case "type":
            return _types(at, said)
        case "profile":
            return _profiles(at, said)
    raise ProfileInvalid(f"{slice_.path} is told from other slices in a way that R4 does not have.")


def _extension_url(slice_: Constraints) -> str | None:
    """The url of an extension's slice: of the definition that it must meet."""
    urls = [canonical.partition("|")[0] for canonical in type_profiles(slice_)]
    return urls[0] if len(urls) == 1 and "url" not in slice_.children else None


def _value(at: At, rules: Sequence[ItemRule]) -> Criterion | None:
    if not rules:
        return None

    def is_met(node: Node, run: Run) -> bool:
        elements = at(node, run)
        return all(any(is_like(rule, element, run) for element in elements) for rule in rules)

    return is_met


def _existence(at: At, said: Sequence[Constraints]) -> Criterion | None:
    for definition in said:
        if definition.definition.get("max") == "0":
            return lambda node, run: not at(node, run)
        if definition.definition.get("min", 0) > 0:
            return lambda node, run: bool(at(node, run))
    return None


def _types(at: At, said: Sequence[Constraints]) -> Criterion | None:
    types = tuple(type_ for definition in said for type_ in definition.types)
    if not types or types == ("Resource",):
        return None
    return lambda node, run: any(is_a(e.type, type_) for e in at(node, run) for type_ in types)


def _profiles(at: At, said: Sequence[Constraints]) -> Criterion | None:
    canonicals = [c for definition in said for c in type_profiles(definition)]
    if not canonicals:
        return None

    def is_met(node: Node, run: Run) -> bool:
        profiles = [run.profiles.get(canonical) for canonical in canonicals]
        return any(
            conforms(element, profile, run)
            for element in at(node, run)
            for profile in profiles
            if profile is not None
        )

    return is_met


def _elements_at(path: str) -> At:
    """The elements of a resource that a discriminator's path leads to."""
    if path == "$this":
        return lambda node, _run: (node,)
    try:
        expression = compile_expression(path)
    except ExpressionError as exc:
        raise ProfileInvalid(f"The discriminator {path} cannot be read.") from exc

    return lambda node, run: run.selected(expression, node)


def _steps(path: str) -> list[tuple[str, str | None]]:
    """Names and functions with their argument, in order."""
    found: list[tuple[str, str | None]] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ProfileInvalid(f"The discriminator {path} cannot be read.")
        found.append((match[1], match[2]))
        position = match.end()
    return found


def _definitions(
    slice_: Constraints, steps: Sequence[tuple[str, str | None]], tree_of: Tree
) -> list[Constraints]:
    """What the slice, or the profiles that it names, say of the elements that the steps lead to."""
    nodes = [slice_]
    for name, argument in steps:
        if name == "$this":
            continue
        if argument is None:
            nodes = [found for node in nodes for found in _named(node, name, tree_of)]
        elif name == "resolve":
            nodes = [_target(node, tree_of) for node in nodes]
        elif name == "ofType":
            nodes = [found for node in nodes if (found := _of_type(node, argument))]
        elif name == "extension":
            nodes = [
                found
                for node in nodes
                for found in _with_slices(node.children.get("extension"))
                if _extension_url(found) == argument
            ]
        else:
            raise ProfileInvalid(
                f"{slice_.path} is told from other slices by {name}(), which R4 does not allow."
            )
    return nodes


def _named(node: Constraints, name: str, tree_of: Tree) -> list[Constraints]:
    own = _with_slices(node.children.get(name) or node.children.get(f"{name}[x]"))
    if own:
        return own
    for canonical in type_profiles(node):
        tree = tree_of(canonical)
        found = _with_slices(tree and (tree.children.get(name) or tree.children.get(f"{name}[x]")))
        if found:
            return found
    return []


def _with_slices(node: Constraints | None) -> list[Constraints]:
    """The element, and its slices that must be there."""
    if node is None:
        return []
    return [node, *(s for s in node.slices.values() if s.definition.get("min"))]


def _of_type(node: Constraints, type_: str) -> Constraints | None:
    return node if type_ in node.types else None


def _target(node: Constraints, tree_of: Tree) -> Constraints:
    """The resource that a reference points at, as far as its one target profile tells."""
    canonicals = target_profiles(node)
    tree = tree_of(canonicals[0]) if len(canonicals) == 1 else None
    found = tree or Constraints(
        "", node.path, None, tuple(_type_of(c) for c in canonicals if _type_of(c))
    )
    target = Constraints(
        "", node.path, None, found.types, dict(found.definition), found.children, found.slices
    )
    target.definition["type"] = [{"code": "Resource", "profile": list(canonicals)}]
    return target


def _type_of(canonical: str) -> str:
    name = canonical.removeprefix(STRUCTURE_DEFINITION)
    return name if name in TYPES else ""
