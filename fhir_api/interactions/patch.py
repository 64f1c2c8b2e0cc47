"""patch, plain and conditional (https://hl7.org/fhir/R4/http.html#patch)."""

from __future__ import annotations

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response
from fhir_api.interactions.conditional import check_preconditions, find_one, require_if_match
from fhir_api.interactions.existence import with_existing_targets
from fhir_api.interactions.representation import content_of, written
from fhir_api.interactions.update import require_id
from fhir_api.interactions.write import (
    Decision,
    Draft,
    build_write,
    decide_and_commit,
    draft,
    is_unchanged,
    version_of,
)
from fhir_api.patches.read import Patch, read_patch
from fhir_api.visibility.conditions import UPDATED
from fhir_api.visibility.judging import changeable
from store.interface import Commit, Guard, Version


async def patch(api: Api, request: Request, type: str, id: str) -> Response:
    """200 with a new version; the same one where the patch changed nothing.

    Raises:
        FhirError: there is no such resource (404, 410), If-Match does not hold (412), the patch cannot be read (400,
            415) or applied (409, 422), or what it makes is not valid (422).
    """
    decide(request.caller, Interaction.PATCH, type)
    change = read_patch(api, request.headers.get("content-type", ""), request.body)

    async def decision() -> Decision[Version]:
        current = await changeable(
            api, request.caller, await api.store.read(type, id), UPDATED, Interaction.PATCH
        )
        require_if_match(api, request.caller, current, request.headers.get("if-match"), type)
        return await _patched(api, request, change, current, type)

    return await written(
        api,
        request,
        await decide_and_commit(api, with_existing_targets(api, request, decision)),
        200,
    )


async def conditional_patch(api: Api, request: Request, type: str) -> Response:
    """Patches the one match of the query.

    Raises:
        FhirError: nothing matches (404), several do (412), and as ``patch``.
    """
    decide(request.caller, Interaction.PATCH, type)
    change = read_patch(api, request.headers.get("content-type", ""), request.body)

    async def decision() -> Decision[Version]:
        matches = await find_one(api, request.caller, type, request.query, request.base_url)
        found = matches.versions[0] if matches.versions else None
        current = await changeable(api, request.caller, found, UPDATED, Interaction.PATCH)
        return await _patched(api, request, change, current, type, (matches.guard,))

    return await written(
        api,
        request,
        await decide_and_commit(api, with_existing_targets(api, request, decision)),
        200,
    )


async def _patched(
    api: Api,
    request: Request,
    change: Patch,
    current: Version | None,
    type: str,
    guards: tuple[Guard, ...] = (),
) -> Decision[Version]:
    there = require_there(current, type)
    check_preconditions(there, request.headers.get("if-match"), None, type)
    resource = await patched_draft(api, change, there)
    if is_unchanged(resource, there):
        return Decision(None, there)
    write = await build_write(
        api, resource, there.id, there, "PATCH", by=request.caller, base_url=request.base_url
    )
    return Decision(Commit(writes=(write,), guards=guards), version_of(write))


def require_there(current: Version | None, type: str) -> Version:
    """Raises FhirError where there is nothing to patch (404, 410)."""
    if current is None:
        raise FhirError(Category.NOT_FOUND, f"There is no such {type}.", type)
    if current.deleted:
        raise FhirError(Category.DELETED, f"This {type} was deleted.", type)
    return current


async def patched_content(api: Api, change: Patch, current: Version) -> bytes:
    """What the patch makes of a stored version: JSON, not validated.

    Raises:
        FhirError: the patch cannot be applied, or makes it too long (413).
    """
    body = change(await content_of(api, current))
    if len(body) > api.options.max_body_bytes:
        text = f"What the patch makes has more than {api.options.max_body_bytes} bytes."
        raise FhirError(Category.TOO_LONG, text, "http.body")
    return body


async def patched_draft(api: Api, change: Patch, current: Version) -> Draft:
    """As ``patched_content``, valid and with the id that it had."""
    resource = draft(api, current.type, await patched_content(api, change, current))
    require_id(resource.tree, current.type, current.id, optional=True)
    return resource
