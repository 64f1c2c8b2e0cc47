"""Narrative: what the XHTML of ``Narrative.div`` may hold (https://hl7.org/fhir/R4/narrative.html, txt-1 and txt-2).

Well-formed XML in one ``div``, the formatting elements of HTML 4, no scripts, forms, frames, events or document types.
"""

from __future__ import annotations

import re
from html.entities import name2codepoint
from typing import Any
from xml.parsers import expat

from fhir_api.validation.visit import Problem

XHTML = "http://www.w3.org/1999/xhtml"
XML = "http://www.w3.org/XML/1998/namespace"
MAX_DEPTH = 200

# fmt: off
ELEMENTS = frozenset({
    "a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br",
    "caption", "cite", "code", "col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em",
    "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "map", "ol",
    "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
})
ATTRIBUTES = frozenset({
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellpadding",
    "cellspacing", "char", "charoff", "charset", "cite", "class", "clear", "color", "colspan",
    "compact", "coords", "datetime", "dir", "face", "frame", "headers", "height", "href",
    "hreflang", "hspace", "id", "ismap", "lang", "longdesc", "name", "nohref", "noshade",
    "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape", "size", "span", "src",
    "start", "style", "summary", "tabindex", "target", "title", "type", "usemap", "valign",
    "value", "vspace", "width",
})
# fmt: on
LINKS = frozenset({"href", "src", "cite", "longdesc", "usemap"})
SCHEMES = frozenset({"http", "https", "mailto", "tel", "ftp", "urn", "cid"})
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):")


class _NotAllowed(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problem = Problem("invariant", text)


def xhtml(value: Any) -> Problem | None:  # noqa: ANN401
    """What is wrong with the value of a ``Narrative.div``, or None."""
    if type(value) is not str:
        return Problem("structure", "The narrative must be a string of XHTML.")
    reader = _Reader()
    try:
        reader.read(value)
    except _NotAllowed as exc:
        return exc.problem
    except expat.ExpatError as exc:
        where = f"line {exc.lineno}, column {exc.offset + 1}"
        return Problem(
            "invalid",
            f"The narrative is not well-formed XML: {expat.ErrorString(exc.code)} ({where}).",
        )
    except UnicodeEncodeError:
        return Problem("invalid", "The narrative is not Unicode text.")
    if not reader.has_content:
        return Problem("invariant", "The narrative has neither text nor an image (txt-2).")
    return None


class _Reader:
    """Walks a narrative once."""

    def __init__(self) -> None:
        self.has_content = False
        self._depth = 0
        self._parser = parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.buffer_text = True
        parser.UseForeignDTD(True)  # noqa: FBT003 - so that &nbsp; and its like are entities we may judge
        parser.ExternalEntityRefHandler = _no_entity
        parser.SkippedEntityHandler = self._entity
        parser.StartDoctypeDeclHandler = _no_document_type
        parser.ProcessingInstructionHandler = _no_instruction
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def read(self, text: str) -> None:
        self._parser.Parse(text.encode(), True)  # noqa: FBT003

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, element = name.rpartition(" ")
        if namespace != XHTML:
            raise _NotAllowed("The narrative's elements must be in the namespace of XHTML.")
        if self._depth == 0 and element != "div":
            raise _NotAllowed("The narrative must be one div element.")
        if element not in ELEMENTS:
            raise _NotAllowed("The narrative has an element that is not allowed in one (txt-1).")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NotAllowed(f"The narrative is nested deeper than {MAX_DEPTH} levels.")
        if element == "img":
            self.has_content = True
        for attribute, value in attributes.items():
            _check_attribute(attribute, value)

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _text(self, text: str) -> None:
        if not self.has_content and not text.isspace():
            self.has_content = True

    def _entity(self, name: str, is_parameter: bool) -> None:  # noqa: FBT001
        if is_parameter or name not in name2codepoint:
            raise _NotAllowed("The narrative has an entity that XHTML does not define.")
        self._text(chr(name2codepoint[name]))


def _check_attribute(attribute: str, value: str) -> None:
    namespace, _, name = attribute.rpartition(" ")
    if namespace == XML:
        return
    if namespace or name not in ATTRIBUTES:
        raise _NotAllowed("The narrative has an attribute that is not allowed in one (txt-1).")
    if name != "style" and name not in LINKS:
        return
    # Browsers read through white space and control characters in a scheme, so they are taken out first.
    plain = "".join(c for c in value if c > " ").lower()
    scheme = _SCHEME.match(plain) if name in LINKS else None
    an_image = name == "src" and plain.startswith("data:image/")
    if scheme is not None and scheme[1] not in SCHEMES and not an_image:
        raise _NotAllowed("The narrative has a link of a kind that is not allowed in one.")
    if name == "style" and ("javascript:" in plain or "expression(" in plain):
        raise _NotAllowed("The narrative has a style that runs a script.")


def _no_entity(*_: object) -> int:
    return 1


def _no_document_type(*_: object) -> None:
    raise _NotAllowed("The narrative must not have a document type.")


def _no_instruction(*_: object) -> None:
    raise _NotAllowed("The narrative must not have processing instructions.")
