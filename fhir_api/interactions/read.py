"""read: the current version of a resource (https://hl7.org/fhir/R4/http.html#read)."""

from __future__ import annotations

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import (
    Request,
    Response,
    json_response,
    query_pairs,
    seconds_of_http_date,
    version_of_etag,
)
from fhir_api.interactions.binary import read_binary
from fhir_api.interactions.representation import progress_of, version_headers
from fhir_api.search.subset import subset
from fhir_api.tasks.progress import merge
from fhir_api.visibility import seen
from store.interface import Version


async def read(api: Api, request: Request, type: str, id: str) -> Response:
    """200 with the resource, 304 where the client has it already.

    Raises:
        FhirError: never there (404), deleted (410).
    """
    decide(request.caller, Interaction.READ, type)
    version = await seen(api, request.caller, await api.store.read(type, id))
    if version is None:
        raise FhirError(Category.NOT_FOUND, f"There is no {type} with this id.", type)
    if version.deleted:
        text = f"This {type} was deleted."
        raise FhirError(Category.DELETED, text, type, headers=version_headers(version))
    if type == "Task" and (progress := await progress_of(api, version)):
        # Progress changes without a version: the ETag cannot say that the client has it.
        return _resource(request, version, merge(version.content, progress))
    return await shown(api, request, version)


async def shown(api: Api, request: Request, version: Version) -> Response:
    """A version that is there, or 304."""
    if is_known(request, version):
        return Response(304, version_headers(version))
    if version.type == "Binary":
        return await read_binary(api, request, version)
    return _resource(request, version, version.content)


def _resource(request: Request, version: Version, content: bytes) -> Response:
    if "_summary" in request.query or "_elements" in request.query:
        content = subset(content, version.type, query_pairs(request.query))
    return json_response(200, content, version_headers(version))


def is_known(request: Request, version: Version) -> bool:
    """Whether If-None-Match or, without it, If-Modified-Since says that the client has this version."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or any(
            version_of_etag(tag) == version.version for tag in tags.split(",")
        )
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    seconds = seconds_of_http_date(since)
    return seconds is not None and version.last_updated_us // 1_000_000 <= seconds
