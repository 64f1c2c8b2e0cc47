"""JSON → XML: elements in the order of the definitions, numbers by their text, the narrative as it is.

https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

import json
import re
from html.entities import name2codepoint
from typing import Any
from xml.parsers import expat

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Category, FhirError
from fhir_api.formats.xml_elements import FHIR, XHTML, Form, Place, places_of

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
INDENT = "  "

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_TO_ESCAPE = re.compile('[&<>"\t\n\r\x00-\x1f\ufffe\uffff]')
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)
_ENTITY = re.compile("&([A-Za-z][A-Za-z0-9]*);")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})


def xml_of(body: bytes, *, indented: bool = False) -> bytes:
    """The XML of a resource in JSON.

    Raises:
        FhirError: ``not-acceptable``: it holds what XML cannot say (a control character), or what R4 does not define.
    """
    # Numbers are read as their text, so that 1.10 stays 1.10.
    tree = json.loads(body, parse_float=str, parse_int=str)
    writer = _Writer(indented=indented)
    writer.resource(tree, f' xmlns="{FHIR}"', 0)
    return "".join((DECLARATION, *writer.parts)).encode()


class _Writer:
    """The document as it grows. Every method adds one element, ``level`` deep."""

    def __init__(self, *, indented: bool) -> None:
        self.parts: list[str] = []
        self._indented = indented

    def resource(self, tree: dict[str, Any], namespace: str, level: int) -> None:
        type = tree.get("resourceType")
        if type not in RESOURCE_TYPES:
            raise _impossible("a resource without a type of R4")
        self._line(level)
        self.parts.append(f"<{type}{namespace}")
        self._inside(tree, type, type, level)

    def _inside(self, tree: dict[str, Any], tag: str, type: str, level: int) -> None:
        """The rest of an element whose tag is open: attributes, children, end tag."""
        places = places_of(type)
        children: list[Place] = []
        for name, value in tree.items():
            place = places.get(name) or places.get(name[1:])
            if place is None:
                if name == "resourceType":
                    continue
                raise _impossible("an element that R4 does not define")
            if place.form is Form.ATTRIBUTE:
                if name == place.name:
                    self.parts.append(f' {name}="{_escaped(value)}"')
            elif name == place.name or place.name not in tree:
                children.append(place)
        if not children:
            self.parts.append("/>")
            return
        self.parts.append(">")
        children.sort(key=_order)
        for place in children:
            self._member(tree, place, level + 1)
        self._line(level)
        self.parts.append(f"</{tag}>")

    def _member(self, tree: dict[str, Any], place: Place, level: int) -> None:
        value: Any = tree.get(place.name)
        if place.form is Form.PRIMITIVE:
            extras = tree.get("_" + place.name)
            if not place.repeats:
                self._primitive(value, extras, place, level)
                return
            values, all_extras = value or [], extras or []
            for index in range(max(len(values), len(all_extras))):
                one = values[index] if index < len(values) else None
                extra = all_extras[index] if index < len(all_extras) else None
                self._primitive(one, extra, place, level)
            return
        for one in value if place.repeats else (value,):
            self._line(level)
            if place.form is Form.NARRATIVE:
                self.parts.append(_narrative(one))
            elif place.form is Form.RESOURCE:
                self.parts.append(f"<{place.name}>")
                self.resource(one, "", level + 1)
                self._line(level)
                self.parts.append(f"</{place.name}>")
            else:
                self.parts.append(f"<{place.name}")
                self._inside(one, place.name, place.type, level)

    def _primitive(self, value: Any, extras: Any, place: Place, level: int) -> None:  # noqa: ANN401
        self._line(level)
        self.parts.append(f"<{place.name}")
        if value is not None:
            self.parts.append(f' value="{_escaped(value)}"')
        if extras:
            self._inside(extras, place.name, "Element", level)
        else:
            self.parts.append("/>")

    def _line(self, level: int) -> None:
        if self._indented:
            self.parts.append("\n" + INDENT * level)


def _order(place: Place) -> int:
    return place.order


def _escaped(value: Any) -> str:  # noqa: ANN401
    if value is True:
        return "true"
    if value is False:
        return "false"
    text: str = value
    if _TO_ESCAPE.search(text) is None:
        return text
    if _NOT_IN_XML.search(text):
        raise _impossible("a character that XML cannot hold")
    return text.translate(_ESCAPES)


def _narrative(div: str) -> str:
    """The XHTML as it was sent, but for the entities of HTML, which XML does not know."""
    text = _ENTITY.sub(_numeric, div.strip()) if "&" in div else div.strip()
    _require_one_div(text)
    return text


def _numeric(entity: re.Match[str]) -> str:
    name = entity[1]
    if name in _OF_XML or name not in name2codepoint:
        return entity[0]
    return f"&#{name2codepoint[name]};"


def _require_one_div(text: str) -> None:
    """Raises FhirError where the text would not be exactly one element in the document that it is put into."""
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    seen: list[str] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        if not seen:
            seen.append(name)

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = parser.XmlDeclHandler = _refuse
    try:
        parser.Parse(text.encode(), True)  # noqa: FBT003
    except (expat.ExpatError, UnicodeEncodeError) as exc:
        raise _impossible("a narrative that is no XHTML") from exc
    if seen != [f"{XHTML} div"]:
        raise _impossible("a narrative that is no XHTML")


def _refuse(*_: object) -> None:
    raise _impossible("a narrative that is no XHTML")


def _impossible(what: str) -> FhirError:
    return FhirError(
        Category.NOT_ACCEPTABLE,
        f"The answer holds {what}: ask for application/fhir+json.",
        "http.Accept",
    )
