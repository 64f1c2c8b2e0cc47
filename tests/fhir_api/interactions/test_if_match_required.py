"""Where a deployment wants it, a change says which version it changes: 428 of RFC 6585, section 3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_api.api import Api
from tests.fhir_api.client import WORKER, Client, entry, observation, patient


@pytest.fixture
def strict(api: Api) -> Client:
    return Client(replace(api, options=replace(api.options, require_if_match=True)))


async def test_changing_without_if_match_is_428_and_changes_nothing(strict: Client) -> None:
    assert (await strict.put("Patient/a", patient(id="a"))).status == 201
    body = patient("2", id="a")
    for reply in (
        await strict.put("Patient/a", body),
        await strict.delete("Patient/a"),
        await strict.ask(
            "PATCH",
            "Patient/a",
            [{"op": "add", "path": "/active", "value": True}],
            content_type="application/json-patch+json",
        ),
        await strict.transaction(entry("PUT", "Patient/a", body)),
        await strict.transaction(entry("DELETE", "Patient/a")),
    ):
        assert (reply.status, reply.code) == (428, "conflict")
    assert (await strict.get("Patient/a")).etag == 'W/"1"'


async def test_changing_with_it_or_by_a_condition_goes_on(strict: Client) -> None:
    await strict.put("Patient/a", patient(id="a"))
    changed = patient(id="a", active=True)
    assert (await strict.put("Patient/a", changed, if_match='W/"1"')).status == 200
    by_condition = patient(active=False)
    assert (await strict.put("Patient?identifier=urn:test|1", by_condition)).status == 200
    again = entry("PUT", "Patient/a", patient(id="a"), ifMatch='W/"3"')
    assert (await strict.transaction(again)).status == 200
    assert (await strict.delete("Patient/a", if_match='W/"4"')).status == 204


async def test_a_worker_writes_its_own_results_again(strict: Client) -> None:
    worker = strict.calling_as(WORKER)
    for status in (201, 200):
        note = [{"text": str(status)}]
        sent = observation("Patient/a", id="o", status="preliminary", note=note)
        assert (await worker.put("Observation/o", sent)).status == status
