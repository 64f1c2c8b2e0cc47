"""XML → JSON: what a client sent as ``application/fhir+xml`` becomes the JSON that everything else here reads.

https://hl7.org/fhir/R4/xml.html. Numbers keep their text and the narrative its bytes. What the XML schemas of R4
would refuse (unknown elements and attributes, another namespace or order, text between elements) is refused with its
place; the rest is left to the validator. There is no document type, hence no entities and nothing to load from
anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any
from xml.parsers import expat

import msgspec

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Category, FhirError, Issue
from fhir_api.formats.xml_elements import FHIR, NUMBERS, XHTML, Form, Place, places_of

SCHEMA_LOCATION = "http://www.w3.org/2001/XMLSchema-instance schemaLocation"
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
MAX_ISSUES = 100

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_BOOLEANS = {"true": True, "false": False}


@dataclass(slots=True)
class _Frame:
    """An element that is open."""

    form: Form
    type: str
    name: str
    """Of the JSON member that it becomes; a resource's is that of the element around it."""
    index: int | None
    places: Mapping[str, Place]
    json: dict[str, Any] = field(default_factory=dict)
    value: Any = None
    order: int = -1
    last: str = ""
    """The member of the child before, which a repetition has to follow at once."""
    extended: list[str] = field(default_factory=list)
    """Repeating primitives of which some have an id or extensions."""


def json_of(body: bytes, max_depth: int) -> bytes:
    """The JSON of a resource in XML.

    Raises:
        FhirError: ``structure``: not well-formed UTF-8 XML without a document type, no resource, or nested deeper
            than ``max_depth``; ``unprocessable``: all places where it is not what R4's schemas allow.
    """
    reader = _Reader(body, max_depth)
    tree = reader.read()
    if reader.issues:
        raise FhirError(
            Category.UNPROCESSABLE, "The XML is not a valid resource.", issues=reader.issues
        )
    return msgspec.json.encode(tree)


class _Reader:
    """Walks a document once."""

    def __init__(self, body: bytes, max_depth: int) -> None:
        self.issues: list[Issue] = []
        self._body = body
        self._max_depth = max_depth
        self._frames: list[_Frame] = []
        self._root: dict[str, Any] = {}
        self._skipped = 0
        self._narrative: _Narrative | None = None
        self._declares_default = False
        self._parser = parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.buffer_text = True
        parser.XmlDeclHandler = _require_utf8
        parser.StartDoctypeDeclHandler = _no_document_type
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def read(self) -> dict[str, Any]:
        try:
            self._parser.Parse(self._body, True)  # noqa: FBT003
        except expat.ExpatError as exc:
            where = f"line {exc.lineno}, column {exc.offset + 1}"
            text = f"The body is not well-formed XML: {expat.ErrorString(exc.code)} ({where})."
            raise FhirError(Category.STRUCTURE, text, "http.body") from exc
        return self._root

    def _namespace(self, prefix: str | None, _uri: str | None) -> None:
        self._declares_default = self._declares_default or prefix is None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        declares_default, self._declares_default = self._declares_default, False
        if self._narrative is not None:
            self._narrative.start(name, attributes)
            return
        if self._skipped:
            self._skipped += 1
            return
        if len(self._frames) >= self._max_depth:
            text = f"The body is nested deeper than {self._max_depth} levels."
            raise FhirError(Category.STRUCTURE, text, "http.body")
        namespace, _, local = name.rpartition(" ")
        if not self._frames:
            self._start_root(namespace, local, attributes)
            return
        frame = self._frames[-1]
        if frame.form is Form.RESOURCE and not frame.type:
            self._start_resource(frame, namespace, local, attributes)
            return
        place = frame.places.get(local)
        wanted = XHTML if place is not None and place.form is Form.NARRATIVE else FHIR
        if place is None or place.form is Form.ATTRIBUTE:
            self._skip(self._path(local), "R4 defines no such element here.")
        elif namespace != wanted:
            self._skip(self._path(local), f"The element is not in the namespace {wanted}.")
        elif self._is_in_order(frame, place):
            self._open(frame, place, attributes, declares_default=declares_default)

    def _start_root(self, namespace: str, local: str, attributes: dict[str, str]) -> None:
        if namespace != FHIR or local not in RESOURCE_TYPES:
            text = f"The body is not a resource of R4 in the namespace {FHIR}."
            raise FhirError(Category.STRUCTURE, text, "http.body")
        attributes.pop(SCHEMA_LOCATION, None)
        frame = _resource_frame(local, local, None)
        self._root = frame.json
        self._frames.append(frame)
        self._refuse_attributes(attributes)

    def _start_resource(
        self, around: _Frame, namespace: str, local: str, attributes: dict[str, str]
    ) -> None:
        if around.json:
            self._skip(self._path(), "Only one resource can stand here.")
        elif namespace != FHIR or local not in RESOURCE_TYPES:
            self._skip(self._path(), "This is not a resource of R4.")
            around.json["resourceType"] = ""
        else:
            frame = _resource_frame(local, "", None)
            around.json = frame.json
            self._frames.append(frame)
            self._refuse_attributes(attributes)

    def _is_in_order(self, frame: _Frame, place: Place) -> bool:
        known = place.name in frame.json or f"_{place.name}" in frame.json
        if known and not place.repeats:
            self._skip(self._path(place.name), "The element can stand here only once.")
            return False
        if place.order < frame.order or (known and frame.last != place.name):
            again = f"[{len(frame.json[place.name])}]" if known else ""
            text = "The element is not in the order of R4's definitions."
            self._skip(self._path(place.name + again), text)
            return False
        frame.order, frame.last = place.order, place.name
        return True

    def _open(
        self, frame: _Frame, place: Place, attributes: dict[str, str], *, declares_default: bool
    ) -> None:
        index = len(frame.json.get(place.name, ())) if place.repeats else None
        if place.form is Form.NARRATIVE:
            start = self._parser.CurrentByteIndex
            is_whole = declares_default and self._body.startswith(b"<div", start)
            self._narrative = _Narrative(start if is_whole else None)
            self._narrative.start(f"{XHTML} div", attributes)
            return
        if place.form is Form.RESOURCE:
            self._frames.append(_Frame(Form.RESOURCE, "", place.name, index, {}))
            self._refuse_attributes(attributes)
            return
        opened = _Frame(place.form, place.type, place.name, index, places_of(place.type))
        self._frames.append(opened)
        if "id" in attributes:
            opened.json["id"] = attributes.pop("id")
        if place.type == "Extension" and "url" in attributes:
            opened.json["url"] = attributes.pop("url")
        if place.form is Form.PRIMITIVE and "value" in attributes:
            opened.value = self._value(place.type, attributes.pop("value"))
        self._refuse_attributes(attributes)

    def _value(self, type: str, text: str) -> object:
        if type == "boolean":
            if text not in _BOOLEANS:
                self._add(self._path(), "value", "This must be true or false.")
            return _BOOLEANS.get(text, text)
        if type in NUMBERS:
            pattern = _DECIMAL if type == "decimal" else _INTEGER
            if pattern.fullmatch(text) is None:
                self._add(self._path(), "value", f"This is not a number as {type} has it.")
                return 0
            return msgspec.Raw(text.encode())
        return text

    def _end(self, _name: str) -> None:
        if self._narrative is not None:
            if self._narrative.end():
                at = self._parser.CurrentByteIndex
                self._frames[-1].json["div"] = self._narrative.text(self._body, at)
                self._narrative = None
            return
        if self._skipped:
            self._skipped -= 1
            return
        frame = self._frames[-1]
        if frame.form is Form.PRIMITIVE and frame.value is None and not frame.json:
            self._add(self._path(), "required", "An element must have a value or extensions.")
        if frame.form is Form.RESOURCE and not frame.type and not frame.json:
            self._add(self._path(), "required", "A resource must stand here.")
        self._frames.pop()
        for name in frame.extended:
            if not any(value is not None for value in frame.json[name]):
                del frame.json[name]
        if not self._frames or (frame.form is Form.RESOURCE and frame.type):
            return
        owner = self._frames[-1]
        if frame.form is Form.PRIMITIVE:
            _put_primitive(owner, frame)
        elif frame.index is None:
            owner.json[frame.name] = frame.json
        else:
            owner.json.setdefault(frame.name, []).append(frame.json)

    def _text(self, text: str) -> None:
        if self._narrative is not None:
            self._narrative.characters(text)
        elif not self._skipped and self._frames and not text.isspace():
            self._add(self._path(), "structure", "Text can stand only in a narrative.")

    def _refuse_attributes(self, attributes: Mapping[str, str]) -> None:
        for name in attributes:
            local = name.rpartition(" ")[2]
            self._add(self._path(f"@{local}"), "structure", "R4 defines no such attribute here.")

    def _skip(self, path: str, text: str) -> None:
        """Adds an issue on an element that has just begun and passes it over."""
        self._skipped = 1
        self._add(path, "structure", text)

    def _add(self, path: str, code: str, text: str) -> None:
        self.issues.append(Issue("error", code, text, path))
        if len(self.issues) >= MAX_ISSUES:
            raise FhirError(
                Category.UNPROCESSABLE, "The XML is not a valid resource.", issues=self.issues
            )

    def _path(self, child: str = "") -> str:
        """The open element as FHIRPath, or a child of it."""
        steps = [
            frame.name if frame.index is None else f"{frame.name}[{frame.index}]"
            for frame in self._frames
            if frame.name
        ]
        return ".".join([*steps, child] if child else steps)


def _resource_frame(type: str, name: str, index: int | None) -> _Frame:
    return _Frame(Form.RESOURCE, type, name, index, places_of(type), {"resourceType": type})


def _put_primitive(owner: _Frame, frame: _Frame) -> None:
    """A primitive and, beside it, its id and extensions (https://hl7.org/fhir/R4/json.html#primitive)."""
    name, beside = frame.name, f"_{frame.name}"
    if frame.index is None:
        if frame.value is not None:
            owner.json[name] = frame.value
        if frame.json:
            owner.json[beside] = frame.json
        return
    owner.json.setdefault(name, []).append(frame.value)
    if frame.json and beside not in owner.json:
        owner.json[beside] = [None] * frame.index
        owner.extended.append(name)
    if beside in owner.json:
        owner.json[beside].append(frame.json or None)


class _Narrative:
    """A ``div`` that is being read: a slice of the document where it can stand for itself, else written anew."""

    def __init__(self, start: int | None) -> None:
        self._start = start
        self._open: list[str] = []
        self._parts: list[str] = []
        self._is_empty = True

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        self._is_empty = not self._open
        self._open.append(local)
        if self._start is None:
            shown = {"xmlns": namespace} if namespace != XHTML or len(self._open) == 1 else {}
            for key, value in attributes.items():
                shown |= _attribute(key, value)
            pairs = "".join(f' {key}="{escape(value)}"' for key, value in shown.items())
            self._parts.append(f"<{local}{pairs}>")

    def end(self) -> bool:
        """Whether that was the end of the div."""
        self._parts.append(f"</{self._open.pop()}>")
        return not self._open

    def characters(self, text: str) -> None:
        self._is_empty = False
        self._parts.append(escape(text, quote=False))

    def text(self, body: bytes, end: int) -> str:
        """The whole div. ``end`` is where its end tag begins, or where an empty element's tag has ended."""
        if self._start is None:
            return "".join(self._parts)
        if not (self._is_empty and body.endswith(b"/>", self._start, end)):
            end = body.index(b">", end) + 1
        return body[self._start : end].decode()


def _attribute(name: str, value: str) -> dict[str, str]:
    namespace, _, local = name.rpartition(" ")
    if not namespace:
        return {local: value}
    if namespace == XML_NAMESPACE:
        return {f"xml:{local}": value}
    return {"xmlns:other": namespace, f"other:{local}": value}  # for the validator to refuse


def _require_utf8(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in {"utf-8", "us-ascii"}:
        raise FhirError(Category.STRUCTURE, "FHIR's XML is in UTF-8.", "http.body")


def _no_document_type(*_: object) -> None:
    text = "The XML has a document type, which FHIR does not know."
    raise FhirError(Category.STRUCTURE, text, "http.body")
