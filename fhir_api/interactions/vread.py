"""vread: one version of a resource (https://hl7.org/fhir/R4/http.html#vread)."""

from __future__ import annotations

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, version_of_etag
from fhir_api.interactions.read import shown
from fhir_api.interactions.representation import version_headers
from fhir_api.visibility import seen


async def vread(api: Api, request: Request, type: str, id: str, version_id: str) -> Response:
    """200 with that version.

    Raises:
        FhirError: never there (404), the version is a deletion (410).
    """
    decide(request.caller, Interaction.VREAD, type)
    number = version_of_etag(version_id) if version_id.isdigit() else None
    found = await api.store.read_version(type, id, number) if number else None
    version = await seen(api, request.caller, found)
    if version is None:
        raise FhirError(Category.NOT_FOUND, f"There is no such version of this {type}.", type)
    if version.deleted:
        text = f"This version of the {type} is its deletion."
        raise FhirError(Category.DELETED, text, type, headers=version_headers(version))
    return await shown(api, request, version)
