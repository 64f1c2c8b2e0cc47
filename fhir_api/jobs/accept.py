"""A request that becomes a job: 202 with the URL of its state (https://hl7.org/fhir/R4/async.html)."""

from __future__ import annotations

import secrets

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError, Issue
from fhir_api.http import Request, Response, outcome_response
from fhir_api.jobs.record import TOPIC, Owner, State, job_of, job_write
from fhir_api.jobs.running import JOB_TYPE
from store.interface import Commit, QueueAction, QueueChange
from store.query import Query, TokenIs

STATUS_PATH = "_async"
MOST_OPEN = 20
"""Unfinished jobs of one caller."""


async def accept(api: Api, request: Request) -> Response:
    """202 with Content-Location, once the job is durable.

    Raises:
        FhirError: the caller has too many unfinished jobs (429).
    """
    mine = (
        TokenIs("caller", None, Owner.of(request.caller).key),
        TokenIs("state", None, State.OPEN),
    )
    if await api.store.count(Query(JOB_TYPE, mine)) >= MOST_OPEN:
        text = f"You have {MOST_OPEN} unfinished jobs; wait for one of them, or cancel it."
        raise FhirError(Category.THROTTLED, text, headers=(("Retry-After", "10"),))
    body = (await api.store.blobs.put(request.body)).sha256 if request.body else None
    now_us = api.clock()
    # Nobody but its caller is answered at the URL; that it cannot be guessed either costs nothing.
    id = secrets.token_urlsafe(24)
    waiting = QueueChange(QueueAction.PUT, (TOPIC,), enqueued_at_us=now_us, ready_at_us=now_us)
    write = job_write(job_of(request, body, now_us), id, None, now_us, waiting)
    await api.store.commit(Commit(writes=(write,)))
    issue = Issue("information", "informational", "Accepted; Content-Location tells its state.")
    url = f"{request.base_url}/{STATUS_PATH}/{id}"
    return outcome_response(202, (issue,), (("Content-Location", url),))
