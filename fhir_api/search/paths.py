"""All search parameters of a resource type as one tree of elements, so that each element is visited once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fhir_api.definitions.elements import TYPES, Property, is_a, properties_of
from fhir_api.search.expressions import (
    ExtensionValue,
    Member,
    OfType,
    Path,
    PresentAndNotFalse,
    Step,
    UnsupportedExpression,
    WhereEquals,
    WhereExtension,
    WhereResolves,
    parse,
)
from fhir_api.search.parameters import Component, SearchParameter

OF_RESOURCE = "%resource."
"""What the expression of a component begins with that stands elsewhere in the resource."""

MOST_ALTERNATIVES = 64
"""A value[x] of an extension is of about fifty types; the values within those are more than anybody means."""


@dataclass(frozen=True, slots=True)
class Child:
    """The way to the JSON member ``name``: all its items where it ``repeats``, or the one at ``index``."""

    name: str
    repeats: bool
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Only:
    """The way to the same element, if it meets the condition."""

    condition: WhereEquals | WhereExtension


@dataclass(frozen=True, slots=True)
class Use:
    """A parameter that indexes an element, and the type that a reference must point at to count."""

    param: str
    param_type: str
    target_type: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A component of a composite: the tree below its element, or below the resource (``of_resource``)."""

    root: Node
    of_resource: bool


@dataclass(slots=True)
class Node:
    """An element of ``type``. ``codes`` is the ValueSet that a code is bound to."""

    type: str
    codes: str | None = None
    uses: list[Use] = field(default_factory=list)
    presence: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Parameters that ask whether one of these members is present and not false."""
    composites: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    """Composite parameters whose parts all stand in this element."""
    children: dict[Child | Only, Node] = field(default_factory=dict)


def tree_of(type_: str, parameters: Iterable[SearchParameter]) -> Node:
    """The tree whose root is a resource of ``type_``. Paths that begin at another type are left out.

    Raises:
        UnsupportedExpression: an expression names what the type does not have, or leads to too much.
    """
    root = Node(type_)
    for parameter in parameters:
        for path in parse(parameter.expression):
            if isinstance(path[0], Member) and is_a(type_, path[0].name):
                _grow(root, parameter, path)
    return root


def _grow(root: Node, parameter: SearchParameter, path: Path) -> None:
    """Add one alternative of a parameter's union; its first step names the type that is the root."""
    nodes = [root]
    target_type = None
    for step in path[1:]:
        if isinstance(step, WhereResolves):
            target_type = step.type
        elif isinstance(step, PresentAndNotFalse):
            members = tuple(found.name for found in _properties(root, step.name))
            root.presence.append((parameter.code, members))
            return
        else:
            nodes = [following for node in nodes for following in _following(node, step)]
        if not 0 < len(nodes) <= MOST_ALTERNATIVES:
            raise UnsupportedExpression(parameter.expression)
    if parameter.components:
        for node in nodes:
            node.composites[parameter.code] = tuple(
                _part(component, node, root) for component in parameter.components
            )
        return
    for node in nodes:
        if node.type == "Resource":
            (target_type,) = parameter.targets  # a Bundle's first resource may be of any type
        use = Use(parameter.code, parameter.type, target_type)
        if use not in node.uses:
            node.uses.append(use)


def _part(component: Component, element: Node, resource: Node) -> Part:
    expression = component.expression.removeprefix(OF_RESOURCE)
    of_resource = expression != component.expression
    root = Node(resource.type if of_resource else element.type)
    for path in parse(expression):
        nodes = [root]
        for step in path:
            nodes = [following for node in nodes for following in _following(node, step)]
        for node in nodes:
            node.uses.append(Use("", component.type, None))
    return Part(root, of_resource)


def _following(node: Node, step: Step) -> Iterator[Node]:
    if isinstance(step, Member):
        for found in _properties(node, step.name):
            way = Child(found.name, found.element.repeats, step.index)
            yield node.children.setdefault(way, Node(found.type, found.element.codes))
    elif isinstance(step, OfType):
        if is_a(node.type, step.type):
            yield node
    elif isinstance(step, ExtensionValue):
        (extension,) = _following(node, Member("extension"))
        (meant,) = _following(extension, WhereEquals("url", step.url))
        yield from _following(meant, Member("value"))
    elif isinstance(step, WhereEquals | WhereExtension):
        yield node.children.setdefault(Only(step), Node(node.type, node.codes))


def _properties(node: Node, name: str) -> Iterator[Property]:
    if node.type in TYPES:
        for found in properties_of(node.type).values():
            if found.element_name in (name, f"{name}[x]"):
                yield found
