"""search (https://hl7.org/fhir/R4/http.html#search): ``GET [type]?…`` and ``POST [type]/_search``."""

from __future__ import annotations

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, query_pairs
from fhir_api.search.grammar import Pairs
from fhir_api.search.searching import search

FORM = "application/x-www-form-urlencoded"


async def search_type(api: Api, request: Request) -> Response:
    """The resources of a type that match, as a searchset Bundle. A form's parameters add to those of the URL.

    Raises:
        FhirError: ``media-type``: a POST whose body is no form; else as ``search`` does.
    """
    pairs = query_pairs(request.query)
    if request.method == "POST":
        pairs += _form(request)
    return await search(api, request.path[0], pairs, request)


def _form(request: Request) -> Pairs:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and media_type != FORM:
        raise FhirError(Category.MEDIA_TYPE, f"The body of a search is {FORM}.")
    try:
        return query_pairs(request.body.decode())
    except UnicodeDecodeError as error:
        raise FhirError(Category.INVALID, "The form is not UTF-8.") from error
