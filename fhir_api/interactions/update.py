"""update, also as create, and conditional update (https://hl7.org/fhir/R4/http.html#update)."""

from __future__ import annotations

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.document import ID, Tree
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response
from fhir_api.interactions.binary import binary_draft, is_raw
from fhir_api.interactions.conditional import check_preconditions, find_one, require_if_match
from fhir_api.interactions.existence import with_existing_targets
from fhir_api.interactions.representation import written
from fhir_api.interactions.write import (
    Decision,
    Draft,
    build_write,
    decide_and_commit,
    draft,
    is_unchanged,
    new_id,
    version_of,
)
from fhir_api.visibility.conditions import UPDATED
from fhir_api.visibility.judging import changeable
from fhir_api.visibility.writing import require_may_name
from store.interface import Commit, Guard, Version

Written = tuple[Version, int]


async def update(api: Api, request: Request, type: str, id: str) -> Response:
    """200 with a new version (the same one where nothing changed), 201 where the id was free or deleted.

    Raises:
        FhirError: not valid, the id of the body is another (400), If-Match or If-None-Match does not hold (412).
    """
    decide(request.caller, Interaction.UPDATE, type)
    resource = await _sent(api, request, type, id)

    async def decision() -> Decision[Written]:
        current = await changeable(
            api, request.caller, await api.store.read(type, id), UPDATED, Interaction.UPDATE
        )
        if current is None or current.deleted:
            require_may_name(api, request.caller, type)
        require_if_match(api, request.caller, current, request.headers.get("if-match"), type)
        return await _updated(api, request, resource, id, current, ())

    version, status = await decide_and_commit(api, with_existing_targets(api, request, decision))
    return await written(api, request, version, status)


async def conditional_update(api: Api, request: Request, type: str) -> Response:
    """Updates the one match of the query; creates where there is none (https://hl7.org/fhir/R4/http.html#cond-update).

    Raises:
        FhirError: several match (412), the body's id is not the match's (400), and as ``update``.
    """
    decide(request.caller, Interaction.UPDATE, type)
    resource = draft(api, type, request.body)
    fresh = new_id(api.clock())

    async def decision() -> Decision[Written]:
        matches = await find_one(api, request.caller, type, request.query, request.base_url)
        guards = (matches.guard,)
        if matches.versions:
            current = matches.versions[0]
            await changeable(api, request.caller, current, UPDATED, Interaction.UPDATE)
            require_id(resource.tree, type, current.id, optional=True)
            return await _updated(api, request, resource, current.id, current, guards)
        decide(request.caller, Interaction.CREATE, type)
        if sent_id(resource.tree):
            require_may_name(api, request.caller, type)
        id = sent_id(resource.tree) or fresh
        stored = await api.store.read(type, id)
        if stored and not stored.deleted:
            text = f"The condition does not find the {type} with this id, which is there and would be overwritten."
            raise FhirError(Category.CONFLICT, text, f"{type}.id")
        return await _updated(api, request, resource, id, stored, guards)

    version, status = await decide_and_commit(api, with_existing_targets(api, request, decision))
    return await written(api, request, version, status)


async def _sent(api: Api, request: Request, type: str, id: str) -> Draft:
    if not ID.fullmatch(id):
        text = "An id is 1 to 64 letters, digits, '-' and '.'."
        raise FhirError(Category.INVALID, text, f"{type}.id")
    if type == "Binary" and is_raw(request):
        return await binary_draft(api, request)
    resource = draft(api, type, request.body)
    require_id(resource.tree, type, id)
    return resource


def sent_id(tree: Tree) -> str | None:
    """The id that the body carries."""
    id = tree.get("id")
    return id if isinstance(id, str) else None


def require_id(tree: Tree, type: str, id: str, *, optional: bool = False) -> None:
    """Raises FhirError (400) where the body's id is not ``id`` (https://hl7.org/fhir/R4/http.html#update)."""
    said = sent_id(tree)
    if said == id or (optional and said is None):
        return
    text = (
        "An update needs the id in the body."
        if said is None
        else "The body's id is not the one of the URL."
    )
    raise FhirError(Category.INVALID, text, f"{type}.id")


async def _updated(
    api: Api,
    request: Request,
    resource: Draft,
    id: str,
    current: Version | None,
    guards: tuple[Guard, ...],
) -> Decision[Written]:
    headers = request.headers
    check_preconditions(
        current, headers.get("if-match"), headers.get("if-none-match"), resource.type
    )
    if current and is_unchanged(resource, current):
        return Decision(None, (current, 200))
    write = await build_write(
        api, resource, id, current, "PUT", by=request.caller, base_url=request.base_url
    )
    status = 200 if current and not current.deleted else 201
    return Decision(Commit(writes=(write,), guards=guards), (version_of(write), status))
