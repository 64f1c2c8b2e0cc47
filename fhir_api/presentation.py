"""The last thing that happens to an answer: it is written in the format that the client wants."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec

from fhir_api.errors import FhirError
from fhir_api.formats.html_page import PAGE_HEADERS, page_of
from fhir_api.formats.xml_writer import xml_of
from fhir_api.http import FHIR_JSON, Request, Response, error_response
from fhir_api.negotiation import AS_IS, Format, Wanted, wanted_by

IN_THREAD_FROM = 256 * 1024
"""An answer of this size would hold up the others while it is rewritten."""


async def presented(request: Request, wanted: Wanted, response: Response) -> Response:
    """The answer in the format that is wanted. What is no FHIR JSON (a raw Binary, an empty body) stays as it is."""
    if wanted is AS_IS or not response.body:
        return response
    if not (response.header("content-type") or "").startswith(FHIR_JSON):
        return response
    if len(response.body) < IN_THREAD_FROM:
        return _rewritten(request, wanted, response)
    return await asyncio.to_thread(_rewritten, request, wanted, response)


async def presented_refusal(request: Request, error: FhirError) -> Response:
    """A refusal as the client likes to read it; in JSON where even that cannot be understood."""
    response = error_response(error)
    try:
        return await presented(request, wanted_by(request.headers, request.query), response)
    except FhirError:
        return response


def _rewritten(request: Request, wanted: Wanted, response: Response) -> Response:
    content_type = f"{wanted.content_type}; charset=utf-8"
    others = tuple(pair for pair in response.headers if pair[0] != "Content-Type")
    headers = (("Content-Type", content_type), *others)
    try:
        match wanted.format:
            case Format.XML:
                body = xml_of(response.body, indented=wanted.indented)
            case Format.HTML:
                body = page_of(request, response)
                headers += PAGE_HEADERS
            case Format.JSON:
                body = (
                    msgspec.json.format(response.body, indent=2)
                    if wanted.indented
                    else response.body
                )
    except FhirError as error:
        return error_response(error)
    return replace(response, headers=headers, body=body)
