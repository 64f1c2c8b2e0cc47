"""delete, plain and conditional (https://hl7.org/fhir/R4/http.html#delete)."""

from __future__ import annotations

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.errors import ALL_OK, Category, FhirError, Issue
from fhir_api.http import (
    Headers,
    Request,
    Response,
    etag,
    outcome_response,
    preference,
    query_pairs,
)
from fhir_api.interactions.conditional import check_preconditions, find_matches, require_if_match
from fhir_api.interactions.write import Decision, build_deletion, decide_and_commit
from fhir_api.visibility.conditions import DELETED
from fhir_api.visibility.judging import changeable
from store.interface import Commit


async def delete(api: Api, request: Request, type: str, id: str) -> Response:
    """204; so too where it was deleted before or never there: deleting twice is no error.

    Raises:
        FhirError: If-Match does not name the current version (412).
    """
    decide(request.caller, Interaction.DELETE, type)

    async def decision() -> Decision[Headers]:
        current = await changeable(
            api, request.caller, await api.store.read(type, id), DELETED, Interaction.DELETE
        )
        if_match = request.headers.get("if-match")
        check_preconditions(current, if_match, None, type)
        require_if_match(api, request.caller, current, if_match, type)
        if current is None:
            return Decision(None, ())
        if current.deleted:
            return Decision(None, (("ETag", etag(current.version)),))
        write = build_deletion(api, current)
        return Decision(Commit(writes=(write,)), (("ETag", etag(write.version)),))

    return _gone(request, await decide_and_commit(api, decision), 1)


async def conditional_delete(api: Api, request: Request, type: str) -> Response:
    """Deletes the one match of the query; all of them where that is set. With ``_count=n``, up to n of them.

    Raises:
        FhirError: more match than may go and no ``_count`` allows it (412).
    """
    decide(request.caller, Interaction.DELETE, type)
    chosen = _count(api, request)
    most = chosen or (api.options.page_limit if api.options.delete_multiple else 1)

    async def decision() -> Decision[int]:
        limit = most if chosen else most + 1
        matches = await find_matches(
            api, request.caller, type, request.query, request.base_url, limit=limit
        )
        found = matches.versions
        if len(found) > most:
            how_many = "several resources" if most == 1 else f"more than {most} resources"
            text = f"The condition on {type} is met by {how_many}; _count says how many may go."
            raise FhirError(Category.MULTIPLE_MATCHES, text, type)
        if not found:
            return Decision(None, 0)
        for version in found:
            await changeable(api, request.caller, version, DELETED, Interaction.DELETE)
        writes = tuple(build_deletion(api, version) for version in found)
        # Where more match than may go, which ones match need not stay the same.
        guards = () if chosen else (matches.guard,)
        return Decision(Commit(writes=writes, guards=guards), len(writes))

    return _gone(request, (), await decide_and_commit(api, decision))


def _count(api: Api, request: Request) -> int:
    values = [value for name, value in query_pairs(request.query) if name == "_count"]
    if not values:
        return 0
    value = values[-1]
    if not (value.isascii() and value.isdigit()) or not 0 < int(value) <= api.options.page_limit:
        text = f"_count of a delete is a number from 1 to {api.options.page_limit}."
        raise FhirError(Category.INVALID, text, "http._count")
    return int(value)


def _gone(request: Request, headers: Headers, count: int) -> Response:
    if preference(request).returns == "OperationOutcome":
        issue = ALL_OK if count == 1 else Issue("information", "informational", f"{count} deleted")
        return outcome_response(200, (issue,), headers)
    return Response(204, headers)
