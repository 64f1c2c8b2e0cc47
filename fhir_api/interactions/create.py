"""create, plain and conditional (https://hl7.org/fhir/R4/http.html#create)."""

from __future__ import annotations

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.http import Request, Response, query_pairs
from fhir_api.interactions.binary import binary_draft, is_raw
from fhir_api.interactions.conditional import NOT_CRITERIA, find_one
from fhir_api.interactions.existence import with_existing_targets
from fhir_api.interactions.representation import written
from fhir_api.interactions.write import (
    Decision,
    Draft,
    build_write,
    decide_and_commit,
    draft,
    new_id,
    version_of,
)
from store.interface import Commit, Guard, Version


async def create(api: Api, request: Request, type: str) -> Response:
    """201 with Location; an id that the client sent is ignored. 200 where If-None-Exist finds one already.

    Raises:
        FhirError: not valid, or If-None-Exist is met by several.
    """
    decide(request.caller, Interaction.CREATE, type)
    if_none_exist = _condition(request)
    raw = type == "Binary" and is_raw(request)
    resource = await binary_draft(api, request) if raw else None

    async def decision() -> Decision[tuple[Version, int]]:
        nonlocal resource
        guards: tuple[Guard, ...] = ()
        if if_none_exist is not None:
            matches = await find_one(api, request.caller, type, if_none_exist, request.base_url)
            if matches.versions:
                return Decision(None, (matches.versions[0], 200))
            guards = (matches.guard,)
        resource = resource or draft(api, type, request.body)
        return await _created(api, request, resource, guards)

    version, status = await decide_and_commit(api, with_existing_targets(api, request, decision))
    return await written(api, request, version, status)


def _condition(request: Request) -> str | None:
    """If-None-Exist; or criteria in the URL, where fhirpy's ``get_or_create`` has them: never ignored in silence."""
    header = request.headers.get("if-none-exist")
    if header is not None or not request.query:
        return header
    criteria = any(name not in NOT_CRITERIA for name, _ in query_pairs(request.query))
    return request.query if criteria else None


async def _created(
    api: Api, request: Request, resource: Draft, guards: tuple[Guard, ...]
) -> Decision[tuple[Version, int]]:
    now_us = api.clock()
    write = await build_write(
        api,
        resource,
        new_id(now_us),
        None,
        "POST",
        by=request.caller,
        base_url=request.base_url,
        now_us=now_us,
    )
    return Decision(Commit(writes=(write,), guards=guards), (version_of(write), 201))
