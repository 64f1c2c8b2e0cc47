"""A job runs with the grants of whoever asked for it, and answers nobody else.

https://hl7.org/fhir/R4/async.html
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_api.access import Caller
from fhir_api.api import Api
from fhir_api.jobs.runner import JobRunner
from tests.fhir_api.client import OPERATOR, WORKER, Client
from tests.fhir_api.visibility.callers import app
from tests.fhir_api.visibility.ward import fill

LAB = "?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory&code=a%20b"
ASKER = app(f"patient/*.rs patient/Observation.rs{LAB}", roles="clinician")


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKER, patient="b"),
        replace(ASKER, subject="user-2"),
        replace(ASKER, user="Practitioner/q"),
        replace(ASKER, id="other-app"),
        replace(ASKER, scopes=app("patient/*.rs").scopes),
        replace(ASKER, scopes=()),
        replace(ASKER, roles=frozenset()),
        replace(ASKER, purpose="BTG"),
        OPERATOR,
        WORKER,
    ],
    ids=[
        "patient",
        "subject",
        "user",
        "app",
        "scopes",
        "no scopes",
        "roles",
        "purpose",
        "operator",
        "worker",
    ],
)
async def test_a_job_sees_what_its_caller_did_and_answers_that_caller_alone(
    api: Api, client: Client, other: Caller
) -> None:
    mine = (await fill(client, "a", "b")).calling_as(ASKER)
    accepted = await mine.get("Patient/$everything", prefer="respond-async")
    url = (accepted.header("content-location") or "").partition("/fhir/")[2]
    assert (await client.calling_as(other).get(url)).status == 404
    assert (await client.calling_as(other).delete(url)).status == 404
    runner = JobRunner(api)
    await runner.take()
    await runner.idle()
    assert (await client.calling_as(other).get(url)).status == 404
    renewed = client.calling_as(replace(ASKER, token_id="another"))
    (answer,) = (await renewed.get(url)).json["entry"]
    found = {e["resource"]["id"] for e in answer["resource"]["entry"]}
    assert {"a", "oa", "sa"} <= found
    assert not found & {"b", "ob", "sb"}
