"""A Bundle posted to the base: batch or transaction (https://hl7.org/fhir/R4/http.html#transaction)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.http import Request, Response, json_response
from fhir_api.interactions.batch import batch
from fhir_api.interactions.entries import read_bundle, response_bundle
from fhir_api.interactions.transaction import transaction

Handle = Callable[[Api, Request], Awaitable[Response]]


async def process_bundle(api: Api, request: Request, handle: Handle) -> Response:
    """200 with the response Bundle. ``handle`` answers an entry that is a request of its own.

    Raises:
        FhirError: not a batch or transaction; a transaction's entry that cannot be done: then none was.
    """
    decide(request.caller, Interaction.BATCH)
    kind, entries = read_bundle(api, request)
    process = transaction if kind == "transaction" else batch
    answers = await process(api, request, entries, handle)
    return json_response(200, response_bundle(kind, answers))
