"""The CapabilityStatement, generated from the tables that routing, search and operations themselves read.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from fhir_api.api import Api, ApiOptions
from fhir_api.definitions.compartments import COMPARTMENTS
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.freshness import is_named
from fhir_api.http import FHIR_JSON, Request, Response, json_response
from fhir_api.negotiation import FHIR_XML
from fhir_api.operations.registry import Level, operations
from fhir_api.patches.read import JSON_PATCH
from fhir_api.search.criteria import modifiers_of
from fhir_api.search.parameters import R4_PARAMETERS, SearchParameter, SearchParameters

FHIR_VERSION = "4.0.1"
DATE = "2026-11-23"
"""When what is served last changed: R4 wants a date, and the same one from every process."""

INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system", "search-system")
SYSTEM = frozenset({Level.SYSTEM})
BELOW_SYSTEM = frozenset(Level) - SYSTEM
OF_ALL_TYPES = ("_id", "_lastUpdated", "_profile", "_security", "_source", "_tag")
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
COMPARTMENT_URL = "http://hl7.org/fhir/CompartmentDefinition/"


SupportedProfiles = tuple[tuple[str, str], ...]
"""Resource type and canonical URL of each profile that is loaded or stored."""


async def metadata(api: Api, request: Request) -> Response:
    """200 with the CapabilityStatement, 304 where the client has it. Open to everybody."""
    parameters = api.search_parameters.active
    profiles = api.validator.profiles.supported
    # The first one reads every type's parameters, which takes a while.
    before, after, digest = await asyncio.to_thread(_statement, api.options, parameters, profiles)
    url = orjson.dumps(request.base_url)
    tag = f'W/"{hashlib.sha256(digest + url).hexdigest()[:16]}"'
    headers = (("ETag", tag), ("Cache-Control", "max-age=60"))
    if is_named(tag, request.headers.get("if-none-match", "")):
        return Response(304, headers)
    return json_response(200, b"".join((before, url, after)), headers)


def software_version() -> str:
    """The installed version of this software."""
    try:
        return version("healthvision")
    except PackageNotFoundError:
        return "0"


@lru_cache(maxsize=2)
def _statement(
    options: ApiOptions, parameters: SearchParameters, profiles: SupportedProfiles
) -> tuple[bytes, bytes, bytes]:
    """The JSON before and after the base URL, which a client may choose by its Host, and a digest of both."""
    place = "http://base-url.invalid"
    body = orjson.dumps(capability_statement(place, options, parameters, profiles))
    before, _, after = body.partition(orjson.dumps(place))
    return before, after, hashlib.sha256(body).digest()


def capability_statement(
    base_url: str,
    options: ApiOptions,
    parameters: SearchParameters = R4_PARAMETERS,
    profiles: SupportedProfiles = (),
) -> dict[str, Any]:
    """What this server can do, as a JSON tree."""
    rest: dict[str, Any] = {
        "mode": "server",
        "security": _security(options.auth_url),
        "resource": [
            _resource(type, options, parameters, profiles) for type in sorted(RESOURCE_TYPES)
        ],
        "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
        "searchParam": [
            *(_parameter(parameters.of("Basic")[code]) for code in OF_ALL_TYPES),
            {"name": "_has", "type": "special", "documentation": "Reverse chaining."},
            {"name": "_list", "type": "special", "documentation": "Members of a stored List."},
        ],
        "operation": list(_operations(SYSTEM)),
        "compartment": [
            COMPARTMENT_URL + type[0].lower() + type[1:] for type in sorted(COMPARTMENTS)
        ],
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": options.software_name, "version": software_version()},
        "implementation": {"description": "FHIR server for imaging AI", "url": base_url},
        "fhirVersion": FHIR_VERSION,
        "format": [FHIR_JSON, FHIR_XML, "json", "xml"],
        "patchFormat": [JSON_PATCH, FHIR_JSON, FHIR_XML],
        "rest": [_filled(rest)],
    }


def _security(auth_url: str) -> dict[str, Any]:
    """How to get a token; the extension is where apps before SMART 2 look for it.

    https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#declaring-support-for-oauth2-endpoints
    """
    security: dict[str, Any] = {"description": "A bearer token; only metadata is open."}
    if not auth_url:
        return security
    endpoints = {
        name: f"{auth_url}/{name}" for name in ("authorize", "token", "introspect", "revoke")
    }
    return {
        "extension": [
            {
                "url": OAUTH_URIS,
                "extension": [{"url": name, "valueUri": url} for name, url in endpoints.items()],
            }
        ],
        "service": [
            {
                "coding": [{"system": SECURITY_SERVICE, "code": "SMART-on-FHIR"}],
                "text": "OAuth2 using the SMART on FHIR profile (http://docs.smarthealthit.org)",
            }
        ],
        **security,
    }


def _resource(
    type: str, options: ApiOptions, known: SearchParameters, profiles: SupportedProfiles
) -> dict[str, Any]:
    parameters = sorted(known.of(type).values(), key=lambda parameter: parameter.code)
    row: dict[str, Any] = {
        "type": type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type}",
        "supportedProfile": [url for of_type, url in profiles if of_type == type],
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "multiple" if options.delete_multiple else "single",
        "searchInclude": [
            f"{type}:{parameter.code}" for parameter in parameters if parameter.type == "reference"
        ],
        "searchRevInclude": [
            f"{source}:{code}" for source, codes in known.referring_to(type) for code in codes
        ],
        "searchParam": [_parameter(parameter) for parameter in parameters],
        "operation": list(_operations(BELOW_SYSTEM, type)),
    }
    return _filled(row)


def _parameter(parameter: SearchParameter) -> dict[str, Any]:
    row = {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
    modifiers = modifiers_of(parameter.code, parameter.type) - RESOURCE_TYPES
    named = [f":{modifier}" for modifier in sorted(modifiers)]
    if parameter.type == "reference":
        named += [":[type]"]
    return row | {"documentation": f"Modifiers: {', '.join(named)}."}


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    """Without empty arrays, which R4 forbids."""
    return {name: value for name, value in row.items() if value != []}


def _operations(levels: frozenset[Level], type: str = "") -> Iterator[dict[str, str]]:
    for name, operation in sorted(operations().items()):
        if any(operation.at(level, type) for level in levels):
            yield {
                "name": name,
                "definition": operation.definition,
                "documentation": operation.documentation,
            }
