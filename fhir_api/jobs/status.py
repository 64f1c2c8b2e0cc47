"""The URL of a job: GET tells how far it is or what came of it, DELETE ends it.

https://hl7.org/fhir/R4/async.html. Whoever did not start the job learns nothing, not even that it is there.
"""

from __future__ import annotations

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Headers, Request, Response, http_date, json_response
from fhir_api.interactions.entries import response_bundle, response_entry
from fhir_api.interactions.write import Decision, decide_and_commit
from fhir_api.jobs.record import Job, Owner, State, job_removal, read_job
from fhir_api.jobs.running import JOB_TYPE, progress_of
from store.interface import Commit, Version


async def job_status(api: Api, request: Request) -> Response:
    """202 with X-Progress while it is open; then 200 with a batch-response whose one entry is the answer.

    Raises:
        FhirError: it is not there, not this caller's, expired or cancelled (404); no process could end it (500).
    """
    version, job = await _job(api, request)
    expires_us = version.last_updated_us + round(api.options.job_keep_s * 1_000_000)
    if job.state is State.OPEN:
        return await _open(api, version.id, job)
    headers: Headers = (("Expires", http_date(expires_us // 1_000_000)),)
    if job.state is State.LOST:
        text = (
            f"The job was begun {api.options.attempt_limit} times and never ended; start it again."
        )
        raise FhirError(Category.EXCEPTION, text, headers=headers)
    body = await api.store.blobs.get(job.answer) if job.answer else b""
    entry = response_entry(Response(job.status, job.answer_headers, body), request.base_url)
    return json_response(200, response_bundle("batch", [entry]), headers)


async def cancel_job(api: Api, request: Request) -> Response:
    """202: the job ends soon, and there is nothing at its URL any more.

    Raises:
        FhirError: as ``job_status`` (404).
    """

    async def decision() -> Decision[None]:
        version, _ = await _job(api, request)
        removal = job_removal(version.id, version, api.clock())
        return Decision(Commit(writes=(removal,)), None)

    await decide_and_commit(api, decision)
    return Response(202, ())


async def _open(api: Api, id: str, job: Job) -> Response:
    entry = await api.store.queue_entry(JOB_TYPE, id)
    under_way = entry is not None and entry.owner is not None
    text = progress_of(entry.progress).text if entry else ""
    age_s = (api.clock() - job.created_us) // 1_000_000
    wait_s = min(max(age_s // 4, 1), 30)
    progress = text or ("under way" if under_way else "waiting")
    return Response(202, (("X-Progress", progress), ("Retry-After", str(wait_s))))


async def _job(api: Api, request: Request) -> tuple[Version, Job]:
    version = await api.store.read(JOB_TYPE, request.path[1])
    if version and not version.deleted:
        job = read_job(version)
        if job.owner == Owner.of(request.caller):
            return version, job
    raise FhirError(Category.NOT_FOUND, "There is no such job.", "http.url")
