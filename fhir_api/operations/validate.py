"""``$validate``: what is wrong with a resource, without storing it.

https://hl7.org/fhir/R4/resource-operation-validate.html, at a type and at an instance:

    resource   Resource   what to validate; the body may be it, without Parameters around. At an instance, without one:
                          what is stored there
    mode       code       create, update, delete or profile. Update asks for the instance's id in the resource; delete
                          asks only whether the instance is there to delete; profile needs ``profile``
    profile    uri        a profile that the resource must meet, beside those that it claims

It answers 200 with an OperationOutcome of everything found: errors, warnings and notes.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_api.api import Api
from fhir_api.document import Tree, parse
from fhir_api.errors import ALL_OK, Category, FhirError, Issue, moved
from fhir_api.http import Request, Response, outcome_response
from fhir_api.interactions.patch import require_there
from fhir_api.interactions.representation import content_of
from fhir_api.operations.parameters import Parameters, Sent, parameters_of
from fhir_api.visibility import seen

MODES = frozenset({"create", "update", "delete", "profile"})
DELETABLE = Issue("information", "informational", "The resource can be deleted.")


async def validate(api: Api, request: Request) -> Response:
    """200 with an OperationOutcome.

    Raises:
        FhirError: a parameter is wrong or missing (400); there is nothing at the instance (404, 410).
    """
    type, id = request.path[0], request.path[1] if len(request.path) == 3 else None
    given = parameters_of(
        api, request, frozenset({"resource", "mode", "profile"}), resource="resource"
    )
    mode = given.choice("mode", MODES) if given.all("mode") else None
    profiles = given.texts("profile", "valueUri", "valueCanonical", "valueString")
    if mode == "profile" and not profiles:
        raise FhirError(Category.INVALID, "The mode profile needs a profile.", "http.request")
    if mode == "delete":
        return await _deletion(api, request, type, id)
    sent = given.resource("resource")
    if sent is None:
        tree, place = await _stored(api, request, given, type, id), ""
    else:
        tree, place = sent.tree, sent.place
    issues = api.validator.validate(tree, type, advice=True, profiles=profiles)
    issues = [Issue(i.severity, i.code, i.text, _placed(i, place, type)) for i in issues]
    issues += _about_id(mode, sent, type, id)
    return outcome_response(200, tuple(issues) or (ALL_OK,))


async def _deletion(api: Api, request: Request, type: str, id: str | None) -> Response:
    if id is None:
        text = "The mode delete is for an instance: Type/id/$validate."
        raise FhirError(Category.INVALID, text, "http.url")
    require_there(await seen(api, request.caller, await api.store.read(type, id)), type)
    return outcome_response(200, (DELETABLE,))


async def _stored(api: Api, request: Request, given: Parameters, type: str, id: str | None) -> Tree:
    if id is None:
        place = "Parameters.parameter" if given.body else "http.body"
        raise FhirError(Category.INVALID, "There is no resource to validate.", place)
    found = await seen(api, request.caller, await api.store.read(type, id))
    version = require_there(found, type)
    return parse(await content_of(api, version), api.options.max_depth)


def _placed(issue: Issue, place: str, type: str) -> str:
    return moved(issue.expression, place, type) if place else issue.expression


def _about_id(mode: str | None, sent: Sent | None, type: str, id: str | None) -> Sequence[Issue]:
    """What an update or a create would have against the id."""
    if sent is None:
        return ()
    said = sent.tree.get("id")
    place = f"{sent.place or type}.id"
    if mode == "update" and said is None:
        return (Issue("error", "required", "An update needs the id in the resource.", place),)
    if mode == "update" and id is not None and said != id:
        return (Issue("error", "value", "The id is not that of the instance.", place),)
    if mode == "create" and said is not None:
        text = "A create gives the resource an id of its own; this one would be ignored."
        return (Issue("information", "informational", text, place),)
    return ()
