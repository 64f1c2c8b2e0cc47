"""Binary in its own media type: raw in, raw out (https://hl7.org/fhir/R4/binary.html#rest).

What was uploaded comes back as it was, by anybody who may read it: so a browser is told to run nothing of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.document import Tree
from fhir_api.errors import Category, FhirError
from fhir_api.http import Headers, Request, Response, json_response
from fhir_api.interactions.byte_range import ACCEPT_RANGES, range_of
from fhir_api.interactions.payload import with_payload
from fhir_api.interactions.representation import version_headers
from fhir_api.interactions.write import Draft, checked
from fhir_api.negotiation import (
    FHIR_JSON_TYPES,
    FHIR_ONLY_TYPES,
    media_type,
    wants_resource,
)
from store.interface import Version

SAFE_HEADERS: Headers = (("Content-Security-Policy", "sandbox; default-src 'none'"),)
OCTETS = "application/octet-stream"


def is_raw(request: Request) -> bool:
    """Whether the body of a write to Binary is the payload itself and not a Binary in JSON or XML."""
    name = media_type(request.headers.get("content-type", OCTETS))
    return name not in FHIR_JSON_TYPES and name not in FHIR_ONLY_TYPES


async def binary_draft(api: Api, request: Request) -> Draft:
    """A Binary of the request's raw body, whose payload is stored already.

    Raises:
        FhirError: an empty body, a body that is too large, or a media type that is none.
    """
    content_type = request.headers.get("content-type", OCTETS)
    tree: Tree = {"resourceType": "Binary", "contentType": content_type}
    if context := request.headers.get("x-security-context"):
        tree["securityContext"] = {"reference": context}
    checked(api, "Binary", tree, b"")
    if request.payload is not None:
        chunks = _limited(request.payload, api.options.max_binary_bytes)
        info = await api.store.blobs.put_stream(chunks)
    else:
        info = await api.store.blobs.put(request.body)
    if info.size_bytes == 0:
        raise FhirError(Category.INVALID, "The body is empty.", "Binary.data")
    body = orjson.dumps({**tree, "data": ""})
    return Draft("Binary", tree, body, info.sha256)


async def _limited(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise FhirError(Category.TOO_LONG, f"A Binary has at most {limit} bytes.", "http.body")
        yield chunk


async def read_binary(api: Api, request: Request, version: Version) -> Response:
    """The payload, or a range of it, under its own media type; the resource where the client asks for that by name.

    Raises:
        FhirError: the range is not there (416), or the resource is too large for JSON (403).
    """
    decide(request.caller, Interaction.READ, "Binary")
    headers = version_headers(version)
    tree = orjson.loads(version.content)
    content_type = header_safe(tree.get("contentType")) or OCTETS
    if version.blob is None or wants_resource(request, content_type):
        return json_response(200, await with_payload(api, version), headers)
    context = header_safe((tree.get("securityContext") or {}).get("reference"))
    if context:
        headers += (("X-Security-Context", context),)
    headers = (("Content-Type", content_type), *headers, *SAFE_HEADERS)
    info = await api.store.blobs.info(version.blob)
    if info is None:
        raise FhirError(Category.EXCEPTION, "The bytes of this Binary are missing.")
    headers += ACCEPT_RANGES
    if request.method == "HEAD":
        return Response(200, headers, length=info.size_bytes)
    part = range_of(request, version, info.size_bytes)
    if part is not None:
        stream = api.store.blobs.stream(version.blob, part.start, part.end)
        return Response(206, headers + part.headers, stream=stream, length=part.length)
    if info.size_bytes >= api.options.stream_from_bytes:
        stream = api.store.blobs.stream(version.blob)
        return Response(200, headers, stream=stream, length=info.size_bytes)
    return Response(200, headers, await api.store.blobs.get(version.blob))


def header_safe(text: object) -> str | None:
    """The text where it can stand in a header, else None."""
    return text if isinstance(text, str) and text.isascii() and text.isprintable() else None
