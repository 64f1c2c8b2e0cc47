"""batch: each entry as if it had come alone (https://hl7.org/fhir/R4/http.html#brules)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, error_response
from fhir_api.interactions.entries import ORDER, Entry, answered, request_of

AT_ONCE = 16
"""Entries under way at a time: enough to share a commit, few enough for others to be served between."""


async def batch(
    api: Api,
    request: Request,
    entries: list[Entry],
    handle: Callable[[Api, Request], Awaitable[Response]],
) -> list[bytes]:
    """The response entries, in the order of the request's; one that fails leaves the others alone."""
    answers: list[bytes] = [b""] * len(entries)

    async def answer(entry: Entry) -> None:
        try:
            if not entry.path:
                raise entry.refused(Category.INVALID, "An entry is no Bundle of its own.")
            asked = request_of(entry, request)
        except FhirError as error:
            response = error_response(error)
        else:
            response = await handle(api, asked)
        answers[entry.index] = answered(entry, request, response)

    for method in ORDER:
        same = [entry for entry in entries if entry.method == method]
        for at in range(0, len(same), AT_ONCE):
            await asyncio.gather(*(answer(entry) for entry in same[at : at + AT_ONCE]))
    return answers
