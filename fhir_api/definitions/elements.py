"""R4's types and their elements, read from the generated tables (https://hl7.org/fhir/R4/structuredefinition.html).

A type is named as FHIR names it (``Patient``, ``HumanName``) or, where it has no name of its own, by its path
(``Patient.contact``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec

TABLES = Path(__file__).with_name("r4")


class Element(msgspec.Struct, frozen=True):
    """One element of a type. ``max`` None: any number. More than one type: a choice, its name ends in ``[x]``."""

    types: tuple[str, ...]
    min: int = 0
    max: int | None = 1
    targets: tuple[str, ...] = ()
    """Resource types that a Reference may name, or whose canonical stands here. ``Resource``: any."""
    codes: str | None = None
    """URL of the ValueSet that a code must come from (binding strength 'required')."""
    extensible: str | None = None
    """URL of the ValueSet that a code should come from where one of it fits (binding strength 'extensible')."""
    simple_quantity: bool = False
    """A Quantity that may not have a comparator."""
    summary: bool = False
    modifier: bool = False

    @property
    def repeats(self) -> bool:
        """Whether JSON holds it in an array."""
        return self.max is None or self.max > 1


class TypeDefinition(msgspec.Struct, frozen=True):
    """A resource, a data type or a backbone element. Inherited elements are among ``elements``."""

    kind: str
    elements: dict[str, Element]
    abstract: bool = False
    base: str | None = None


class Primitive(msgspec.Struct, frozen=True):
    """A primitive type: what its text must look like and the limits of its value."""

    base: str
    regex: str | None = None
    min: int | None = None
    max: int | None = None
    max_length: int | None = None


class _Tables(msgspec.Struct, frozen=True):
    types: dict[str, TypeDefinition]
    primitives: dict[str, Primitive]


_TABLES = msgspec.json.decode((TABLES / "elements.json").read_bytes(), type=_Tables)

TYPES: Mapping[str, TypeDefinition] = _TABLES.types
PRIMITIVES: Mapping[str, Primitive] = _TABLES.primitives
RESOURCE_TYPES: frozenset[str] = frozenset(
    name for name, table in TYPES.items() if table.kind == "resource" and not table.abstract
)
"""The 146 resource types that can have instances."""


@dataclass(frozen=True, slots=True)
class Property:
    """A JSON member of a type: ``valueQuantity`` is the property of element ``value[x]`` for type ``Quantity``."""

    name: str
    type: str
    element_name: str
    element: Element = field(repr=False)


@cache
def properties_of(type_name: str) -> Mapping[str, Property]:
    """JSON member name → property, choices spelled out (``valueQuantity``, ``valueString``, …)."""
    found: dict[str, Property] = {}
    for name, element in TYPES[type_name].elements.items():
        stem = name.removesuffix("[x]")
        for type_ in element.types:
            member = stem + type_[0].upper() + type_[1:] if name.endswith("[x]") else name
            found[member] = Property(member, type_, name, element)
    return found


def is_a(type_name: str, wanted: str) -> bool:
    """Whether a type is ``wanted`` or derived from it: a canonical is a uri, an Age a Quantity."""
    known: str | None = type_name
    while known is not None and known != wanted:
        definition = PRIMITIVES.get(known) or TYPES.get(known)
        known = definition.base if definition else None
    return known is not None


def is_primitive(type_name: str) -> bool:
    """Whether JSON holds values of this type as a string, a number or a boolean."""
    return type_name in PRIMITIVES
