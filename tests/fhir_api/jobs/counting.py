"""An operation that counts to ``to``, tells how far it is, and can go on where it was; and a process that runs it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from fhir_api.access import Interaction
from fhir_api.api import Api, ApiOptions
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response
from fhir_api.jobs.runner import JobRunner
from fhir_api.operations import registry
from fhir_api.operations.parameters import parameters_of, parameters_response
from fhir_api.operations.registry import Level, Operation
from fhir_api.validation import Validator
from store.errors import StoreUnavailable
from store.sqlite import SqliteStore


async def count(api: Api, request: Request) -> Response:
    """Answers where it began and where it ended; waits for ever at ``stop``."""
    given = parameters_of(api, request, frozenset({"to", "stop", "mood"}))
    to, stop = given.integer("to", 3, 0, 1000), given.integer("stop", -1, -1, 1000)
    mood = given.optional_text("mood")
    if mood == "refuse":
        raise FhirError(Category.BUSINESS_RULE, "It does not count today.")
    if mood == "break":
        raise RuntimeError("Anna Tester, born 1974")
    if mood == "stumble":
        raise StoreUnavailable("no space left")
    begun = int(request.job.checkpoint or 0) if request.job else 0
    for number in range(begun, to):
        if request.job:
            await request.job.report(f"{number} of {to}", checkpoint=str(number))
        if number == stop and begun < stop:
            await asyncio.Event().wait()
    answer = [{"name": "begun", "valueInteger": begun}, {"name": "to", "valueInteger": to}]
    return parameters_response(answer)


COUNT = Operation(
    name="count",
    levels=frozenset({Level.SYSTEM, Level.TYPE}),
    definition="urn:test:count",
    documentation="Counts.",
    handler=count,
    changes_state=True,
    may_take_long=True,
    needs=Interaction.OPERATION,
)


def install(patch: pytest.MonkeyPatch) -> None:
    """Makes the operation one of the server's."""
    names = MappingProxyType({**registry.operations(), "count": COUNT})
    patch.setattr(registry, "_BY_NAME", names)


async def _run(folder: Path) -> None:
    api = Api(SqliteStore.open(folder), Validator(), ApiOptions(lease_s=1.0))
    await JobRunner(api).keep_running()


if __name__ == "__main__":
    install(pytest.MonkeyPatch())
    asyncio.run(_run(Path(sys.argv[1])))
