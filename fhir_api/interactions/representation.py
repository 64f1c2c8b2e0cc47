"""How a stored version is shown, and what a write answers (https://hl7.org/fhir/R4/http.html#versioning)."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from fhir_api.access import Caller
from fhir_api.api import Api
from fhir_api.document import joined, members_of
from fhir_api.errors import ALL_OK, FhirError, Issue
from fhir_api.http import (
    Headers,
    Request,
    Response,
    etag,
    http_date,
    json_response,
    outcome_response,
    preference,
)
from fhir_api.interactions.payload import with_payload
from fhir_api.tasks.progress import merge
from fhir_api.visibility.conditions import SEEN
from fhir_api.visibility.judging import sees
from store.interface import Version

_UNDER_WAY = (b"in-progress", b"accepted", b"\\u")
"""Without one of these in its JSON a Task is in no state in which a worker reports progress."""


async def content_of(api: Api, version: Version) -> bytes:
    """The version as FHIR JSON: a Binary with its data, all else as stored.

    Raises:
        FhirError: a Binary too large for JSON.
    """
    if version.type == "Binary":
        return await with_payload(api, version)
    return version.content


async def page_content_of(api: Api, version: Version) -> bytes:
    """As ``content_of``, among other resources: a Binary that is too large comes without its data."""
    try:
        return await content_of(api, version)
    except FhirError:
        return without_data(version)


def without_data(version: Version) -> bytes:
    """A Binary's JSON with all but its data."""
    return joined({k: v for k, v in members_of(version.content).items() if k != "data"})


async def progress_of(api: Api, version: Version) -> bytes:
    """What the worker last reported on a current Task; empty for everything else. Asks only for Tasks under way."""
    if version.type != "Task" or not any(state in version.content for state in _UNDER_WAY):
        return b""
    entry = await api.store.queue_entry("Task", version.id)
    return entry.progress if entry else b""


async def current_content_of(api: Api, version: Version) -> bytes:
    """A current version as it is read now: ``content_of``, with the progress of a Task under way."""
    progress = await progress_of(api, version)
    return merge(version.content, progress) if progress else await content_of(api, version)


def version_headers(version: Version) -> Headers:
    """ETag and Last-Modified of a version."""
    return (
        ("ETag", etag(version.version)),
        ("Last-Modified", http_date(version.last_updated_us // 1_000_000)),
    )


def location(version: Version) -> str:
    """The version's URL, relative to the base."""
    return f"{version.type}/{version.id}/_history/{version.version}"


def warning_header(text: str) -> str:
    """A ``Warning`` (https://www.rfc-editor.org/rfc/rfc7234#section-5.5) whose text may hold a client's own words."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text[:200])
    return f'199 - "{plain}"'


async def shows(api: Api, caller: Caller, version: Version) -> bool:
    """Whether the caller is shown what a write made: who may only write is not."""
    return caller.scopes is None or await sees(api, caller, version, SEEN)


async def written(api: Api, request: Request, version: Version, status: int) -> Response:
    """The answer to a create or update, with the body that Prefer asks for (a representation by default).

    A profile that cannot be used to validate others is stored all the same; a ``Warning`` says why it cannot.
    """
    headers = (
        ("Location", f"{request.base_url}/{location(version)}"),
        *version_headers(version),
    )
    notes: Sequence[Issue] = ()
    if version.type == "StructureDefinition":
        notes = api.validator.profiles.notes(orjson.loads(version.content))
        headers += tuple(("Warning", warning_header(note.text)) for note in notes)
    returns = preference(request).returns
    if returns == "minimal" or not await shows(api, request.caller, version):
        return Response(status, headers)
    if returns == "OperationOutcome":
        return outcome_response(status, tuple(notes) or (ALL_OK,), headers)
    # What is written is written: where its data are too large for JSON, the answer goes without them.
    return json_response(status, await page_content_of(api, version), headers)
