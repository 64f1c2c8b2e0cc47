"""search (https://hl7.org/fhir/R4/http.html#search) of a type, of the system and in a compartment.

``GET`` with the parameters in the URL, or ``POST …/_search`` with them in a form.
"""

from __future__ import annotations

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, query_pairs, too_many_parameters
from fhir_api.search.grammar import Pairs
from fhir_api.search.scope import SYSTEM, Scope, of_compartment, of_type
from fhir_api.search.searching import search

FORM = "application/x-www-form-urlencoded"


async def search_type(api: Api, request: Request) -> Response:
    """``Patient?…``: the resources of a type that match, as a searchset Bundle."""
    return await _search(api, of_type(request.path[0]), request)


async def search_system(api: Api, request: Request) -> Response:
    """``?_type=Patient,Observation&…``: those of several types, or all."""
    return await _search(api, SYSTEM, request)


async def search_compartment(api: Api, request: Request) -> Response:
    """``Patient/1/Observation?…`` or ``Patient/1/*?…``: those in a compartment."""
    compartment, id, type = request.path[:3]
    return await _search(api, of_compartment(compartment, id, type), request)


async def _search(api: Api, scope: Scope, request: Request) -> Response:
    """A form's parameters add to those of the URL.

    Raises:
        FhirError: ``media-type``: a POST whose body is no form; else as ``search`` does.
    """
    pairs = query_pairs(request.query)
    if request.method == "POST":
        pairs += _form(request)
        if len(pairs) > api.options.max_parameters:
            raise too_many_parameters(api.options.max_parameters)
    return await search(api, scope, pairs, request)


def _form(request: Request) -> Pairs:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and media_type != FORM:
        raise FhirError(Category.MEDIA_TYPE, f"The body of a search is {FORM}.")
    try:
        return query_pairs(request.body.decode())
    except UnicodeDecodeError as error:
        raise FhirError(Category.INVALID, "The form is not UTF-8.") from error
