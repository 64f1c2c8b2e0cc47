"""Extensions held to their definitions, wherever they stand (https://hl7.org/fhir/R4/defining-extensions.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_api.definitions.elements import PRIMITIVES, TYPES, properties_of
from fhir_api.fhirpath import ExpressionError, Node, compile_expression
from fhir_api.validation.profiles.checking import check_item
from fhir_api.validation.profiles.registry import Profile
from fhir_api.validation.profiles.run import Run
from fhir_api.validation.visit import Problem

UNKNOWN = Problem(
    "not-found", "The definition of this extension is not loaded: only its form was checked."
)
NO_EXTENSION = Problem(
    "structure", "What its url names is the definition of something else than an extension."
)
NO_MODIFIER = Problem(
    "structure",
    "This extension modifies nothing by its definition: it must not be a modifierExtension.",
)
MODIFIER = Problem(
    "structure",
    "This extension modifies the meaning by its definition: it must be a modifierExtension.",
)
MISPLACED = Problem("structure", "By its definition this extension may not stand here.")


def check_extension(node: Node, url: str, run: Run) -> None:
    """Everything that its definition has against an extension; a note where the definition is not known."""
    definition = run.profiles.get(url)
    if definition is None or definition.rule is None:
        if run.advice:
            run.add(node, UNKNOWN, "information")
        return
    if definition.type != "Extension":
        run.add(node, NO_EXTENSION)
        return
    is_used_as_modifier = node.name == "modifierExtension"
    if is_used_as_modifier is not definition.is_modifier:
        run.add(node, NO_MODIFIER if is_used_as_modifier else MODIFIER)
    if not _may_stand(node, definition, run):
        run.add(node, MISPLACED)
    check_item(definition.rule, node, run)


def _may_stand(node: Node, definition: Profile, run: Run) -> bool:
    """Whether one of the definition's contexts fits the element that has the extension."""
    contexts = definition.context
    if not contexts or node.parent is None:
        return True
    names: frozenset[str] | None = None
    for context in contexts:
        kind, said = context.get("type"), context.get("expression")
        if not isinstance(said, str):
            return True
        if kind == "extension":
            if node.parent.type == "Extension" and node.parent.value.get("url") == said:
                return True
        elif kind == "fhirpath":
            if _is_selected(node.parent, said, run):
                return True
        else:
            names = names or frozenset(_names(node.parent))
            if said == "Element" or _is_unheard_of(said) or said in names:
                return True
    return False


def _is_unheard_of(said: str) -> bool:
    """Whether a context cannot be judged here: it names a slice, or a type that R4 does not have."""
    return ":" in said or (said.partition(".")[0] not in TYPES and said not in PRIMITIVES)


def _is_selected(holder: Node, said: str, run: Run) -> bool:
    """Whether a FHIRPath selects the element; yes where that cannot be told."""
    try:
        expression = compile_expression(said)
    except ExpressionError:
        return True
    return holder.keys in [node.keys for node in run.selected(expression, run.resource)]


def _names(holder: Node) -> Iterator[str]:
    """Every way to name an element: its type, and its path from each type around it."""
    node: Node | None = holder
    path = ""
    if holder.name.startswith("_") and holder.parent is not None:  # the extensions of a primitive
        primitive = properties_of(holder.parent.type).get(holder.name.removeprefix("_"))
        if primitive is not None:
            yield from _with_bases(primitive.type)
            path = f".{primitive.element_name}"
            node = holder.parent
    while node is not None:
        for type_ in _with_bases(node.type):
            yield type_ + path
        step = _element_name(node)
        node, path = node.parent, f".{step}{path}"
        if step is None or (node is not None and node.name == "contained"):
            return


def _element_name(node: Node) -> str | None:
    """What R4 calls the element: ``value[x]``; None of a resource that stands in another."""
    if node.parent is None or (isinstance(node.value, dict) and "resourceType" in node.value):
        return None
    found = properties_of(node.parent.type).get(node.name)
    return found.element_name if found else node.name


def _with_bases(type_: str) -> Iterator[str]:
    """A type and all that it is derived from; what is no resource is an Element too."""
    known: str | None = type_
    is_resource = False
    while known is not None:
        yield known
        definition: Any = PRIMITIVES.get(known) or TYPES.get(known)
        is_resource = is_resource or known == "Resource"
        known = definition.base if definition else None
    if not is_resource:
        yield "Element"
        if type_ in TYPES and TYPES[type_].kind == "backbone":
            yield "BackboneElement"
