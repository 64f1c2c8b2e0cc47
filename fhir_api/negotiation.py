"""Which format an answer takes: Accept, ``_format``, ``_pretty`` (https://hl7.org/fhir/R4/http.html#mime-type)."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, query_pairs

FHIR_JSON_TYPES = frozenset(
    {
        "application/fhir+json",
        "application/json",
        "application/json+fhir",
        "text/json",
    }
)
FHIR_XML_TYPES = frozenset(
    {"application/fhir+xml", "application/xml", "application/xml+fhir", "text/xml"}
)
_JSON_FORMATS = FHIR_JSON_TYPES | {"json", "*/*", "application/*", "text/*"}
_AS_IS = frozenset({"application/fhir+json", "*/*"})
_EXPLICIT = frozenset({"application/fhir+json", "application/json+fhir"})


def media_type(value: str) -> str:
    """A Content-Type without its parameters, in lower case."""
    return value.partition(";")[0].strip().lower()


@lru_cache(maxsize=1024)
def accepted(value: str) -> tuple[str, ...]:
    """The media ranges of an Accept header that are wanted at all, best first."""
    ranges: list[tuple[float, str]] = []
    for part in value.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if name and quality > 0:
            ranges.append((-quality, name))
    return tuple(name for _, name in sorted(ranges, key=lambda pair: pair[0]))


@lru_cache(maxsize=1024)
def _json_is_accepted(value: str) -> bool:
    return not value.strip() or any(name in _JSON_FORMATS for name in accepted(value))


def format_of(request: Request) -> str | None:
    """``_format``, in lower case and without parameters; '+' may have been decoded to a blank."""
    if "_format" not in request.query:
        return None
    values = [value for name, value in query_pairs(request.query) if name == "_format"]
    return media_type(values[-1]).replace(" ", "+") if values else None


def require_json(request: Request) -> None:
    """Raises FhirError (406) where the client takes no JSON. ``_format`` wins over Accept."""
    if not request.query and request.headers.get("accept", "*/*") in _AS_IS:
        return
    wanted = format_of(request)
    if wanted:
        if wanted not in _JSON_FORMATS:
            text = "Only JSON is served: application/fhir+json."
            raise FhirError(Category.NOT_ACCEPTABLE, text, "http._format")
    elif not _json_is_accepted(request.headers.get("accept", "")):
        raise FhirError(
            Category.NOT_ACCEPTABLE, "Only JSON is served: application/fhir+json.", "http.Accept"
        )


def require_json_body(request: Request) -> None:
    """Raises FhirError (415) where the body is said to be something else than JSON."""
    value = request.headers.get("content-type")
    if value is None:
        if request.body:
            text = "The request has no Content-Type; send application/fhir+json."
            raise FhirError(Category.MEDIA_TYPE, text, "http.Content-Type")
        return
    if value != "application/fhir+json" and media_type(value) not in FHIR_JSON_TYPES:
        text = "The body has to be application/fhir+json."
        raise FhirError(Category.MEDIA_TYPE, text, "http.Content-Type")
    charset = value.lower().partition("charset=")[2].strip(' "')
    if charset and charset not in {"utf-8", "utf8", "us-ascii"}:
        raise FhirError(Category.MEDIA_TYPE, "The body has to be in UTF-8.", "http.Content-Type")


def wants_fhir_json(request: Request, content_type: str) -> bool:
    """Whether a Binary of ``content_type`` is wanted as FHIR JSON: only when that is asked for by name."""
    wanted = format_of(request)
    if wanted:
        return wanted in _EXPLICIT or wanted == "json"
    names = accepted(request.headers.get("accept", ""))
    if not names:
        return False
    if names[0] in _EXPLICIT:
        return True
    return names[0] in FHIR_JSON_TYPES and media_type(content_type) != names[0]


def presented(request: Request, response: Response) -> Response:
    """The answer as the client likes to read it: indented for ``_pretty=true``, as application/json where only that
    is accepted.
    """
    if request.headers.get("accept", "*/*") in _AS_IS and "_" not in request.query:
        return response
    content_type = response.header("content-type") or ""
    if not content_type.startswith("application/fhir+json") or not response.body:
        return response
    body, headers = response.body, response.headers
    if "_pretty" in request.query and ("_pretty", "true") in query_pairs(request.query):
        body = msgspec.json.format(body, indent=2)
    names = (format_of(request) or "", *accepted(request.headers.get("accept", "")))
    wanted = next((name for name in names if name in _JSON_FORMATS), "")
    if wanted in {"application/json", "text/json"}:
        plain = ("Content-Type", f"{wanted}; charset=utf-8")
        headers = (plain, *(pair for pair in headers if pair[0] != "Content-Type"))
    return Response(response.status, headers, body)
