"""How R4's elements stand in XML: their order, what is an attribute, what a child (https://hl7.org/fhir/R4/xml.html)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

from fhir_api.definitions.elements import PRIMITIVES, TYPES, properties_of

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
NUMBERS = frozenset({"decimal", "integer", "positiveInt", "unsignedInt"})


class Form(Enum):
    """How a JSON member is written in XML."""

    ATTRIBUTE = auto()
    """``Element.id`` and ``Extension.url``."""
    PRIMITIVE = auto()
    """An element with the attribute ``value``, an id and extensions."""
    NARRATIVE = auto()
    """``Narrative.div``: XHTML as it is."""
    COMPLEX = auto()
    """An element with elements."""
    RESOURCE = auto()
    """An element around one resource."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a JSON member of a type stands: ``order`` among its siblings, the same for all types of a choice."""

    name: str
    type: str
    form: Form
    order: int
    repeats: bool


@cache
def places_of(type: str) -> Mapping[str, Place]:
    """JSON member (``valueQuantity``) → its place in the XML of ``type``; a primitive's are those of Element."""
    if type in PRIMITIVES:
        type = "Element"
    order = {name: index for index, name in enumerate(TYPES[type].elements)}
    return {
        name: Place(
            name,
            found.type,
            _form(type, name, found.type),
            order[found.element_name],
            found.element.repeats,
        )
        for name, found in properties_of(type).items()
    }


def _form(type: str, name: str, value_type: str) -> Form:
    if TYPES[type].kind != "resource" and (name == "id" or (type, name) == ("Extension", "url")):
        return Form.ATTRIBUTE
    if value_type == "xhtml":
        return Form.NARRATIVE
    if value_type in PRIMITIVES:
        return Form.PRIMITIVE
    return Form.RESOURCE if value_type == "Resource" else Form.COMPLEX
