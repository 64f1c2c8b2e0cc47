"""What expressions work on: the elements of a parsed resource, and values that were calculated.

A node is looked at in place, in the parsed JSON tree; it knows its FHIR type and the way it was reached, so that a
result can be shown, or changed, where it stands. Choices are reached by the element's name (``value``), whichever
member holds them (``valueQuantity``), and a primitive's id and extensions from the member beside it (``_birthDate``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from fhir_api.definitions.elements import PRIMITIVES, TYPES, is_a, properties_of

SYSTEM: Final = "System."
TYPE_INFORMATION: Final = "System.SimpleTypeInfo"


class Node:
    """An element, or a calculated value.

    ``value`` is the JSON value (of a calculated one: what ``values`` says); None for a primitive that has only an id
    or extensions. ``type`` is a type of R4, a path where it has no name (``Patient.contact``), or ``System.Integer``
    and its like.
    """

    __slots__ = ("extra", "index", "name", "parent", "type", "value")

    def __init__(
        self,
        value: Any,  # noqa: ANN401
        type: str,
        parent: Node | None = None,
        name: str = "",
        index: int | None = None,
        extra: Any = None,  # noqa: ANN401
    ) -> None:
        self.value = value
        self.type = type
        self.parent = parent
        self.name = name
        """The JSON member that holds it."""
        self.index = index
        """Its place in the member's array; None where the element cannot repeat."""
        self.extra = extra
        """Of a primitive: the object with its id and extensions, where there is one."""

    @property
    def location(self) -> str:
        """``Patient.name[0].given[1]``, as an OperationOutcome tells it."""
        name = self.name.removeprefix("_")
        step = name if self.index is None else f"{name}[{self.index}]"
        if self.parent is None:
            return self.name or self.type
        return f"{self.parent.location}.{step}"

    @property
    def keys(self) -> tuple[str | int, ...]:
        """The way from the root of the JSON tree: ``('name', 0, 'given', 1)``. Empty of a root or calculated value."""
        if self.parent is None:
            return ()
        last = (self.name,) if self.index is None else (self.name, self.index)
        return (*self.parent.keys, *last)

    @property
    def is_element(self) -> bool:
        """Whether it stands in a resource, rather than having been calculated."""
        return not self.type.startswith(SYSTEM)

    def __repr__(self) -> str:
        return f"Node({self.location}: {self.type})"


def resource_node(resource: dict[str, Any]) -> Node:
    """The root of a resource's tree. Its type is what ``resourceType`` says."""
    return Node(resource, _resource_type(resource))


def _resource_type(resource: object) -> str:
    said = resource.get("resourceType") if type(resource) is dict else None
    return said if type(said) is str and said in TYPES else "Resource"


Spelling = tuple[str, str, str, bool]
"""JSON member, the member beside it, type, whether it is a resource."""


@cache
def members_of(type_: str) -> Mapping[str, tuple[Spelling, ...]]:
    """Element name → the JSON members that can hold it; nothing for primitive and calculated types."""
    if type_ == TYPE_INFORMATION:
        return {name: ((name, "", "System.String", False),) for name in ("namespace", "name")}
    if type_ not in TYPES:
        return {}
    found: dict[str, tuple[Spelling, ...]] = {}
    for property_ in properties_of(type_).values():
        name = property_.element_name.removesuffix("[x]")
        extra = f"_{property_.name}" if property_.type in PRIMITIVES else ""
        row = (property_.name, extra, property_.type, property_.type == "Resource")
        found[name] = (*found.get(name, ()), row)
    return found


@cache
def spellings_of(type_: str, name: str) -> frozenset[str]:
    """Every JSON member that shows that an element is there."""
    rows = members_of(type_).get(name, ())
    return frozenset(member for row in rows for member in row[:2] if member)


def children_named(node: Node, name: str) -> list[Node]:
    """The child elements called ``name``, in order."""
    value = node.value
    if type(value) is not dict:
        return _children_of_primitive(node, name)
    found: list[Node] = []
    for member, beside, type_, is_resource in members_of(node.type).get(name, ()):
        item = value.get(member)
        extra = value.get(beside) if beside else None
        if item is None and extra is None:
            continue
        if type(item) is list or type(extra) is list:
            _add_items(found, item, extra, node, member, type_, is_resource)
        else:
            of_type = _resource_type(item) if is_resource else type_
            found.append(Node(item, of_type, node, member, None, extra))
    return found


def _add_items(
    found: list[Node],
    items: Any,  # noqa: ANN401
    extras: Any,  # noqa: ANN401
    parent: Node,
    member: str,
    type_: str,
    is_resource: bool,  # noqa: FBT001
) -> None:
    values = items if type(items) is list else []
    beside = extras if type(extras) is list else []
    for index in range(max(len(values), len(beside))):
        value = values[index] if index < len(values) else None
        extra = beside[index] if index < len(beside) else None
        if value is not None or extra is not None:
            of_type = _resource_type(value) if is_resource else type_
            found.append(Node(value, of_type, parent, member, index, extra))


def _children_of_primitive(node: Node, name: str) -> list[Node]:
    extra = node.extra
    if name == "value" and node.value is not None and node.type in PRIMITIVES:
        return [Node(node.value, SYSTEM + system_type(node.type))]
    if type(extra) is not dict or name not in ("id", "extension"):
        return []
    beside = Node(extra, "Element", node.parent, f"_{node.name}", node.index)
    return children_named(beside, name)


def children(node: Node) -> Iterator[Node]:
    """All child elements. The value of a primitive is not among them; its id and extensions are."""
    if type(node.value) is dict:
        for name in members_of(node.type):
            yield from children_named(node, name)
    elif type(node.extra) is dict:
        for name in ("id", "extension"):
            yield from _children_of_primitive(node, name)


def has(node: Node, name: str) -> bool:
    """Whether there is a child element called ``name``: what ``name.exists()`` asks."""
    value = node.value
    if type(value) is dict:
        return not spellings_of(node.type, name).isdisjoint(value)
    return bool(_children_of_primitive(node, name))


@cache
def system_type(type_: str) -> str:
    """What kind of value a primitive type holds, or '' for types that are none.

    https://hl7.org/fhir/R4/fhirpath.html#types; an instant is a DateTime.
    """
    if type_.startswith(SYSTEM):
        return type_.removeprefix(SYSTEM)
    if type_ == "Quantity" or is_a(type_, "Quantity"):
        return "Quantity"
    if type_ not in PRIMITIVES:
        return ""
    for wanted, system in (
        ("boolean", "Boolean"),
        ("integer", "Integer"),
        ("decimal", "Decimal"),
        ("date", "Date"),
        ("dateTime", "DateTime"),
        ("instant", "DateTime"),
        ("time", "Time"),
    ):
        if is_a(type_, wanted):
            return system
    return "String"


def type_information(node: Node) -> Node:
    """What ``type()`` tells (https://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation)."""
    namespace, _, name = node.type.rpartition(".")
    told = {"namespace": namespace, "name": name}
    if namespace != "System":
        told = {"namespace": "FHIR", "name": node.type}
    return Node(told, TYPE_INFORMATION)


@cache
def is_of_type(type_: str, wanted: str) -> bool:
    """Whether an element of ``type_`` is a ``wanted``: ``FHIR.Patient``, ``Resource``, ``System.Boolean``, ``code``.

    A name without a namespace is one of FHIR's where FHIR has it, else one of System's.
    """
    namespace, _, name = wanted.rpartition(".")
    if namespace == "FHIR":
        return not type_.startswith(SYSTEM) and _is_a(type_, name)
    if namespace == "System":
        return type_ == wanted
    if type_.startswith(SYSTEM):
        return type_ == SYSTEM + wanted and not is_known_type(f"FHIR.{wanted}")
    return _is_a(type_, wanted)


@cache
def is_known_type(name: str) -> bool:
    """Whether R4 or FHIRPath has a type of this name."""
    namespace, _, plain = name.rpartition(".")
    known = plain in TYPES or plain in PRIMITIVES
    if namespace == "FHIR":
        return known
    is_system = plain in SYSTEM_TYPES
    return is_system if namespace == "System" else name in TYPES or known or is_system


SYSTEM_TYPES: Final = frozenset(
    {"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any"}
)


def _is_a(type_: str, wanted: str) -> bool:
    if is_a(type_, wanted):
        return True
    definition = TYPES.get(type_)
    if definition is not None and definition.kind == "backbone":
        top = TYPES[type_.partition(".")[0]]
        base = "BackboneElement" if top.kind == "resource" else "Element"
        return is_a(base, wanted)
    return False
