"""search (https://hl7.org/fhir/R4/http.html#search): ``GET [type]?…`` and ``POST [type]/_search``."""

from __future__ import annotations

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, query_pairs
from fhir_api.search.searching import search

FORM = "application/x-www-form-urlencoded"


async def search_by_get(api: Api, request: Request) -> Response:
    """The resources of a type that match, as a searchset Bundle.

    Raises:
        FhirError: as ``search`` does.
    """
    return await search(api, request.path[0], query_pairs(request.query), request)


async def search_by_post(api: Api, request: Request) -> Response:
    """The same with the parameters in a form, where no log shows them. Those of the URL count as well.

    Raises:
        FhirError: ``media-type``: the body is no form; else as ``search`` does.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and media_type != FORM:
        raise FhirError(Category.MEDIA_TYPE, f"The body of a search is {FORM}.")
    try:
        form = request.body.decode()
    except UnicodeDecodeError as error:
        raise FhirError(Category.INVALID, "The form is not UTF-8.") from error
    return await search(
        api, request.path[0], query_pairs(request.query) + query_pairs(form), request
    )
