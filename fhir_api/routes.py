"""From a request to its interaction: the URLs of https://hl7.org/fhir/R4/http.html#summary, and nothing else.

``handle`` never raises for a client's fault: whatever is refused becomes an OperationOutcome. Batch entries, the
REST face and the upload call it in this process as the ASGI app does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from fhir_api.access import decide
from fhir_api.api import Api
from fhir_api.auditing import audited
from fhir_api.boundary import refusal_of
from fhir_api.capability import metadata
from fhir_api.definitions.compartments import COMPARTMENTS
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Category, FhirError
from fhir_api.even_time import CLOCK, is_not_here
from fhir_api.formats.xml_reader import json_of
from fhir_api.freshness import tagged
from fhir_api.http import FHIR_JSON, Disconnected, Request, Response, error_response, preference
from fhir_api.interactions.binary import is_raw
from fhir_api.interactions.bundle import process_bundle
from fhir_api.interactions.create import create
from fhir_api.interactions.delete import conditional_delete, delete
from fhir_api.interactions.history import history
from fhir_api.interactions.patch import conditional_patch, patch
from fhir_api.interactions.read import read
from fhir_api.interactions.record_event import record_event
from fhir_api.interactions.search import search_compartment, search_system, search_type
from fhir_api.interactions.update import conditional_update, update
from fhir_api.interactions.vread import vread
from fhir_api.jobs.accept import STATUS_PATH, accept
from fhir_api.jobs.status import cancel_job, job_status
from fhir_api.negotiation import (
    is_xml_body,
    not_acceptable,
    require_json_body,
    require_our_body,
    wanted_by,
)
from fhir_api.operations.registry import operation_at
from fhir_api.presentation import presented
from fhir_api.roles import AUDIT

Route = Callable[[Api, Request], Awaitable[Response]]
Methods = Mapping[str, Route]


async def handle(api: Api, request: Request) -> Response:
    """The answer to a request, whatever it is, in the format that the client wants.

    Raises:
        Disconnected: the client left while its payload was read.
    """
    try:
        wanted = wanted_by(request.headers, _shaping(request))
        if wanted.refusal and request.path[:1] != ("Binary",):
            raise not_acceptable(wanted)
    except FhirError as error:
        return error_response(error)
    response = await respond(api, request)
    if response.status == 200 and request.method in {"GET", "HEAD"}:
        response = tagged(request, response)
    return await presented(request, wanted, response)


def _shaping(request: Request) -> str:
    """Where ``_format`` and ``_pretty`` may stand: in the query, and in the form of a search."""
    if request.method != "POST" or request.path[-1:] != ("_search",) or b"=" not in request.body:
        return request.query
    return f"{request.query}&{request.body.decode('latin-1')}"


async def respond(api: Api, request: Request) -> Response:
    """The answer to a request, in JSON: also to an entry of a batch.

    Raises:
        Disconnected: the client left while its payload was read.
    """
    if api.journal is None:
        response = await _answer(api, request)
    else:
        response = await audited(api, request, _answer)
    if is_not_here(request, response):
        await CLOCK.next_beat()
    return response


async def _answer(api: Api, request: Request) -> Response:
    try:
        return await _dispatch(api, request)
    except Disconnected:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary: nothing of it may reach the client
        return error_response(refusal_of(error, request.method, request.id))


async def _dispatch(api: Api, request: Request) -> Response:
    methods = _methods(request.path)
    method = "GET" if request.method == "HEAD" else request.method
    route = methods.get(method)
    if route is None:
        allowed = ", ".join((*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS"))
        if method == "OPTIONS":
            return Response(204, (("Allow", allowed),))
        text = f"This URL takes {allowed}."
        raise FhirError(
            Category.METHOD_NOT_ALLOWED, text, "http.method", headers=(("Allow", allowed),)
        )
    if request.body and is_xml_body(request):
        request = _in_json(api, request)
    if api.audit is not None and request.path[:1] == (AUDIT,):
        api = api.audit
    return await route(api, request)


def _in_json(api: Api, request: Request) -> Request:
    """The request as if its resource had been sent in JSON."""
    require_our_body(request.headers["content-type"])
    body = json_of(request.body, api.options.max_depth)
    return replace(request, body=body, headers={**request.headers, "content-type": FHIR_JSON})


async def _create(api: Api, request: Request) -> Response:
    _require_body(request)
    if request.path[0] == AUDIT:
        return await record_event(api, request)
    return await create(api, request, request.path[0])


async def _update(api: Api, request: Request) -> Response:
    _require_body(request)
    return await update(api, request, request.path[0], request.path[1])


async def _conditional_update(api: Api, request: Request) -> Response:
    require_json_body(request)
    return await conditional_update(api, request, request.path[0])


def _require_body(request: Request) -> None:
    if request.path[0] != "Binary" or not is_raw(request):
        require_json_body(request)


async def _bundle(api: Api, request: Request) -> Response:
    require_json_body(request)
    return await process_bundle(api, request, respond)


async def _delete(api: Api, request: Request) -> Response:
    return await delete(api, request, request.path[0], request.path[1])


async def _conditional_delete(api: Api, request: Request) -> Response:
    return await conditional_delete(api, request, request.path[0])


async def _patch(api: Api, request: Request) -> Response:
    return await patch(api, request, request.path[0], request.path[1])


async def _conditional_patch(api: Api, request: Request) -> Response:
    return await conditional_patch(api, request, request.path[0])


async def _read(api: Api, request: Request) -> Response:
    return await read(api, request, request.path[0], request.path[1])


async def _vread(api: Api, request: Request) -> Response:
    return await vread(api, request, request.path[0], request.path[1], request.path[3])


async def _history(api: Api, request: Request) -> Response:
    type, id = (*request.path[:-1], "", "")[:2]
    return await history(api, request, type, id or None)


async def _operation(api: Api, request: Request) -> Response:
    operation = operation_at(request.path)
    assert operation is not None
    decide(request.caller, operation.needs, request.path[0] if len(request.path) > 1 else "")
    if request.method == "POST":
        require_json_body(request)
    if operation.may_take_long and preference(request).respond_async:
        return await accept(api, request)
    return await operation.handler(api, request)


SYSTEM: Methods = {"GET": search_system, "POST": _bundle}
METADATA: Methods = {"GET": metadata}
HISTORY: Methods = {"GET": _history}
SEARCH: Methods = {"POST": search_type}
SYSTEM_SEARCH: Methods = {"POST": search_system}
COMPARTMENT: Methods = {"GET": search_compartment}
COMPARTMENT_SEARCH: Methods = {"POST": search_compartment}
TYPE: Methods = {
    "GET": search_type,
    "POST": _create,
    "PUT": _conditional_update,
    "DELETE": _conditional_delete,
    "PATCH": _conditional_patch,
}
INSTANCE: Methods = {"GET": _read, "PUT": _update, "DELETE": _delete, "PATCH": _patch}
VERSION: Methods = {"GET": _vread}
JOB: Methods = {"GET": job_status, "DELETE": cancel_job}
OPERATION: Methods = {"POST": _operation}
SAFE_OPERATION: Methods = {"GET": _operation, "POST": _operation}


def _methods(path: tuple[str, ...]) -> Methods:
    """What a URL takes.

    Raises:
        FhirError: there is nothing at this URL.
    """
    match path:
        case (type, _) if type in RESOURCE_TYPES and path[1][:1] not in {"_", "$"}:
            return INSTANCE
        case (type,) if type in RESOURCE_TYPES:
            return TYPE
        case ():
            return SYSTEM
        case ("_search",):
            return SYSTEM_SEARCH
        case (type, _, inner) if type in COMPARTMENTS and (inner in RESOURCE_TYPES or inner == "*"):
            return COMPARTMENT
        case (type, _, inner, "_search") if type in COMPARTMENTS and (
            inner in RESOURCE_TYPES or inner == "*"
        ):
            return COMPARTMENT_SEARCH
        case ("metadata",):
            return METADATA
        case ("_history",):
            return HISTORY
        case (first, _) if first == STATUS_PATH:
            return JOB
        case (type, "_search") if type in RESOURCE_TYPES:
            return SEARCH
        case (type, "_history") | (type, _, "_history") if type in RESOURCE_TYPES:
            return HISTORY
        case (type, _, "_history", _) if type in RESOURCE_TYPES:
            return VERSION
        case (*before, name) if name.startswith("$") and set(before[:1]) <= RESOURCE_TYPES:
            operation = operation_at(path)
            if operation is None:
                text = "There is no such operation here."
                raise FhirError(Category.NOT_SUPPORTED, text, "http.url")
            return OPERATION if operation.changes_state else SAFE_OPERATION
        case (type, *_) if type not in RESOURCE_TYPES and not type.startswith(("_", "$")):
            raise FhirError(
                Category.NOT_SUPPORTED, "That is not a resource type of R4.", "http.url"
            )
    raise FhirError(Category.NOT_SUPPORTED, "There is nothing at this URL.", "http.url")
