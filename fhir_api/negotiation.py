"""Which format a request is in and which its answer takes: Content-Type, Accept, ``_format``, ``_pretty``.

https://hl7.org/fhir/R4/http.html#mime-type and #parameters, RFC 9110 section 12.5. Inside everything is JSON: XML is
read when it comes in and written when it goes out, by ``fhir_api.presentation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from fhir_api.errors import Category, FhirError
from fhir_api.http import FHIR_JSON, Request, query_pairs

FHIR_XML = "application/fhir+xml"
HTML = "text/html"

FHIR_JSON_TYPES = frozenset({FHIR_JSON, "application/json", "application/json+fhir", "text/json"})
FHIR_XML_TYPES = frozenset({FHIR_XML, "application/xml", "application/xml+fhir", "text/xml"})
FHIR_ONLY_TYPES = frozenset({FHIR_JSON, "application/json+fhir", FHIR_XML, "application/xml+fhir"})
"""Media types that can mean nothing but a FHIR resource."""
FHIR_VERSIONS = frozenset({"4.0", "4.0.1"})
"""Values of the parameter ``fhirVersion`` that are ours (https://hl7.org/fhir/R4/versioning.html#mt-version)."""


class Format(Enum):
    JSON = auto()
    XML = auto()
    HTML = auto()


OFFERS: Mapping[str, tuple[Format, str]] = {
    FHIR_JSON: (Format.JSON, FHIR_JSON),
    "application/json": (Format.JSON, "application/json"),
    "text/json": (Format.JSON, "text/json"),
    "application/json+fhir": (Format.JSON, FHIR_JSON),
    FHIR_XML: (Format.XML, FHIR_XML),
    "application/xml": (Format.XML, "application/xml"),
    "text/xml": (Format.XML, "text/xml"),
    "application/xml+fhir": (Format.XML, FHIR_XML),
    HTML: (Format.HTML, HTML),
}
"""Media type that may be asked for → format and Content-Type of the answer; ours first."""
SHORT_NAMES = {"json": FHIR_JSON, "xml": FHIR_XML, "html": HTML}

_AS_IS = frozenset({FHIR_JSON, "*/*"})
_LONGEST_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """The answer that a client likes to have."""

    format: Format = Format.JSON
    content_type: str = FHIR_JSON
    indented: bool = False
    refusal: str = ""
    """Where the request says it where nothing that it takes is served: http.Accept, http._format."""


AS_IS = Wanted()
"""JSON as it is stored: nothing to do."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One part of an Accept header."""

    name: str
    quality: float

    def specificity_for(self, media_type: str) -> int:
        """How well it fits: 0 not at all, 3 by name."""
        if self.name == media_type:
            return 3
        if self.name == "*/*":
            return 1
        main, _, sub = self.name.partition("/")
        return 2 if sub == "*" and media_type.startswith(main + "/") else 0


def media_type(value: str) -> str:
    """A Content-Type without its parameters, in lower case."""
    return value.partition(";")[0].strip().lower()


def _parameters(value: str) -> dict[str, str]:
    parameters = {}
    for piece in value.split(";")[1:]:
        name, _, text = piece.partition("=")
        parameters[name.strip().lower()] = text.strip().strip('"').lower()
    return parameters


def _is_our_version(parameters: Mapping[str, str]) -> bool:
    return parameters.get("fhirversion", "4.0") in FHIR_VERSIONS


def _ranges(value: str) -> list[MediaRange]:
    """The parts of an Accept header as they stand; those of another version of FHIR are not wanted."""
    ranges = []
    for part in value.split(","):
        name, parameters = media_type(part), _parameters(part)
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            quality = 0.0
        if name:
            ranges.append(MediaRange(name, quality if _is_our_version(parameters) else 0.0))
    return ranges


def accepted(value: str) -> tuple[str, ...]:
    """The media ranges of an Accept header that are wanted at all, best first."""
    ranges = [one for one in _ranges(value) if one.quality > 0]
    return tuple(one.name for one in sorted(ranges, key=lambda one: -one.quality))


@lru_cache(maxsize=1024)
def _best_offer(accept: str) -> str | None:
    """The media type that suits an Accept header best: by quality, then by what is named first."""
    ranges = _ranges(accept)
    if not ranges:
        return FHIR_JSON
    best: tuple[float, int] = (0.0, 0)
    chosen: str | None = None
    for offer in OFFERS:
        # The most specific range speaks for a type (RFC 9110 section 12.5.1).
        specificity, minus_at = max(
            (one.specificity_for(offer), -index) for index, one in enumerate(ranges)
        )
        quality = ranges[-minus_at].quality if specificity else 0.0
        if quality > 0 and (chosen is None or (quality, minus_at) > best):
            best, chosen = (quality, minus_at), offer
    return chosen


def _offer_for(accept: str) -> str | None:
    if len(accept) > _LONGEST_KEPT:
        return _best_offer.__wrapped__(accept)
    return _best_offer(accept)


def format_of(query: str) -> str | None:
    """The media type that ``_format`` asks for, '' for one of another version of FHIR; '+' may have become a blank."""
    if "_format" not in query:
        return None
    values = [value for name, value in query_pairs(query) if name == "_format" and value.strip()]
    if not values:
        return None
    if not _is_our_version(_parameters(values[-1])):
        return ""
    name = media_type(values[-1]).replace(" ", "+")
    return SHORT_NAMES.get(name, name)


def wanted_by(headers: Mapping[str, str], query: str) -> Wanted:
    """What the client likes to have. ``_format`` wins over Accept.

    Raises:
        FhirError: the query cannot be read.
    """
    accept = headers.get("accept", "*/*")
    if accept in _AS_IS and "_format" not in query and "_pretty" not in query:
        return AS_IS
    name = format_of(query)
    if name is None:
        place, offer = "http.Accept", _offer_for(accept)
    else:
        place, offer = "http._format", FHIR_JSON if name == "*/*" else name
    indented = "_pretty" in query and ("_pretty", "true") in query_pairs(query)
    if offer is None or offer not in OFFERS:
        return Wanted(indented=indented, refusal=place)
    format, content_type = OFFERS[offer]
    return Wanted(format, content_type, indented)


def not_acceptable(wanted: Wanted) -> FhirError:
    """The refusal (406) where nothing that the client takes is served."""
    text = "FHIR R4 is served as application/fhir+json, application/fhir+xml or text/html."
    return FhirError(Category.NOT_ACCEPTABLE, text, wanted.refusal)


def is_xml_body(request: Request) -> bool:
    """Whether the body is a resource in XML. A Binary is one only where its type says that it is FHIR's."""
    value = request.headers.get("content-type", FHIR_JSON)
    if value == FHIR_JSON:
        return False
    name = media_type(value)
    return name in FHIR_XML_TYPES and (request.path[:1] != ("Binary",) or name in FHIR_ONLY_TYPES)


def require_json_body(request: Request) -> None:
    """Raises FhirError (415) where the body is said to be something else than JSON; XML has become JSON before."""
    value = request.headers.get("content-type")
    if value is None:
        if request.body:
            text = "The request has no Content-Type; send application/fhir+json."
            raise FhirError(Category.MEDIA_TYPE, text, "http.Content-Type")
        return
    if value == FHIR_JSON:
        return
    if media_type(value) not in FHIR_JSON_TYPES:
        text = "The body has to be application/fhir+json or application/fhir+xml."
        raise FhirError(Category.MEDIA_TYPE, text, "http.Content-Type")
    require_our_body(value)


def require_our_body(content_type: str) -> None:
    """Raises FhirError (415) where the body is of another version of FHIR or not in UTF-8."""
    parameters = _parameters(content_type)
    if not _is_our_version(parameters):
        text = "This is a server of FHIR R4: fhirVersion is 4.0."
        raise FhirError(Category.MEDIA_TYPE, text, "http.Content-Type")
    if parameters.get("charset", "utf-8") not in {"utf-8", "utf8", "us-ascii", ""}:
        raise FhirError(Category.MEDIA_TYPE, "The body has to be in UTF-8.", "http.Content-Type")


def wants_resource(request: Request, content_type: str) -> bool:
    """Whether a Binary of ``content_type`` is wanted as a FHIR resource: only when that is asked for by name."""
    wanted = format_of(request.query)
    if wanted is not None:
        return wanted in OFFERS and wanted != media_type(content_type)
    names = accepted(request.headers.get("accept", ""))
    if not names:
        return False
    if names[0] in FHIR_ONLY_TYPES:
        return True
    is_fhir = names[0] in FHIR_JSON_TYPES or names[0] in FHIR_XML_TYPES
    return is_fhir and media_type(content_type) != names[0]
