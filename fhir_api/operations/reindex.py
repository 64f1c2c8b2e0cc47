"""``$reindex``: makes the index entries again of resources whose entries another edition of the extraction made.

That is so for what was stored before a SearchParameter became active, changed or went, and for a store that an older
version of this software wrote. What is left to do is read off the store itself, so a run that was killed goes on where
it was, two runs at once do no harm, and what others write meanwhile is theirs. Half of the time it leaves to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Final

import orjson
import structlog

from fhir_api.access import OURSELVES, Interaction, decide
from fhir_api.api import Api
from fhir_api.conformance.watcher import POLL_S
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.http import Request, Response
from fhir_api.jobs.accept import accept
from fhir_api.jobs.record import Owner, State
from fhir_api.jobs.running import JOB_TYPE, Running
from fhir_api.operations.parameters import parameters_of, parameters_response
from fhir_api.search.extract import entries_of
from store.interface import Reindexed, Version
from store.query import Query, TokenIs

log = structlog.get_logger(__name__)

BATCH: Final = 32
"""Resources whose entries land together: some ten milliseconds of the one writer."""
LEAST_PAUSE_S: Final = 0.002
REPORT_EVERY_S: Final = 0.5
SETTLED_S: Final = 4 * POLL_S
"""After so long every process that is alive knows of a change of the definitions."""
_COUNTED: Final = 1_000_000_000


async def reindex(api: Api, request: Request) -> Response:
    """202 with the URL that tells how far it is; there, in the end, Parameters with ``reindexed``, a number.

    ``POST [base]/[type]/$reindex`` of one type; ``POST [base]/$reindex`` of those that the parameter ``type`` names,
    or of all.

    Raises:
        FhirError: a parameter that cannot be understood, or too many jobs.
    """
    decide(request.caller, Interaction.OPERATION)
    types = _types(api, request)
    if request.job is None:
        return await accept(api, request)
    count = await remake(api, types, request.base_url, request.job)
    return parameters_response([{"name": "reindexed", "valueInteger": count}])


async def begin_where_outdated(api: Api) -> None:
    """Begins it, as a job, where there is something to do: at the start of a newer version of this software.

    Without a base URL of its own a server cannot tell which absolute references are local ones: then it only says so.
    """
    known = api.search_parameters.active
    behind = [
        type
        for type in sorted(RESOURCE_TYPES)
        if await api.store.count_outdated(type, known.edition(type), 1)
    ]
    if not behind:
        return
    log.warning("index_outdated", types=behind, begun=bool(api.options.base_url))
    ours = (TokenIs("caller", None, Owner.of(OURSELVES).key), TokenIs("state", None, State.OPEN))
    if api.options.base_url and not await api.store.count(Query(JOB_TYPE, ours)):
        await accept(
            api,
            Request("POST", ("$reindex",), "", {}, b"", OURSELVES, api.options.base_url, "start"),
        )


def _types(api: Api, request: Request) -> Sequence[str]:
    if len(request.path) > 1:
        parameters_of(api, request, frozenset())
        return (request.path[0],)
    parameters = parameters_of(api, request, frozenset({"type"}))
    named = parameters.texts("type", "valueCode")
    for given, type in zip(parameters.all("type"), named, strict=True):
        if type not in RESOURCE_TYPES:
            raise given.refused("The parameter type must be a resource type of R4.")
    return named or sorted(RESOURCE_TYPES)


async def remake(api: Api, types: Sequence[str], base_url: str, job: Running) -> int:
    """Makes the outdated entries of these types again; answers for how many resources, those of former attempts too.

    Raises:
        Cancelled: nobody wants it any more.
    """
    if api.watcher is not None:
        # What was asked for may rest on a definition that came through another process.
        await api.watcher.look()
    run = _Run(api, base_url, job)
    await run.start(types)
    await run.remake_all(types)
    # Once more, for what a process wrote meanwhile that had not heard of the definitions yet.
    await asyncio.sleep(SETTLED_S)
    await run.remake_all(types)
    return run.done


class _Run:
    """One attempt. The job's checkpoint is how many former attempts have done."""

    def __init__(self, api: Api, base_url: str, job: Running) -> None:
        self._api = api
        self._base_url = base_url
        self._job = job
        self.done = int(job.checkpoint or 0)
        self._total = self.done
        self._reported_at = perf_counter()

    async def start(self, types: Sequence[str]) -> None:
        for type in types:
            edition = self._api.search_parameters.active.edition(type)
            self._total += await self._api.store.count_outdated(type, edition, _COUNTED)
        await self._report()

    async def remake_all(self, types: Sequence[str]) -> None:
        for type in types:
            while batch := await self._outdated(type):
                await self._remake(batch)

    async def _outdated(self, type: str) -> list[Version]:
        edition = self._api.search_parameters.active.edition(type)
        return await self._api.store.outdated(type, edition, BATCH)

    async def _remake(self, batch: Sequence[Version]) -> None:
        began = perf_counter()
        self.done += await self._api.store.reindex([self._remade(version) for version in batch])
        if began - self._reported_at > REPORT_EVERY_S:
            await self._report()
        await asyncio.sleep(max(perf_counter() - began, LEAST_PAUSE_S))

    def _remade(self, version: Version) -> Reindexed:
        known = self._api.search_parameters.active
        tree = orjson.loads(version.content)
        return Reindexed(
            version.type,
            version.id,
            version.version,
            entries_of(version.type, tree, self._base_url, known.added(version.type)),
            known.edition(version.type),
        )

    async def _report(self) -> None:
        self._reported_at = perf_counter()
        text = f"{self.done} of {max(self._total, self.done)} resources"
        await self._job.report(text, checkpoint=str(self.done))
