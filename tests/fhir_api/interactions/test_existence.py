"""References to what is not here, where a deployment refuses them (https://hl7.org/fhir/R4/references.html#literal)."""

from __future__ import annotations

import pytest

from fhir_api.api import Api, ApiOptions
from store.sqlite import SqliteStore
from tests.fhir_api.client import BASE, Client, entry, observation, patient
from tests.fhir_api.conftest import VALIDATOR


@pytest.fixture
def strict(store: SqliteStore) -> Client:
    return Client(Api(store, VALIDATOR, ApiOptions(references_must_exist=True)))


async def test_by_default_a_reference_may_point_at_what_is_not_here(client: Client) -> None:
    assert (await client.post("Observation", observation("Patient/nobody"))).status == 201


async def test_a_reference_without_its_target_is_refused_where_it_stands(strict: Client) -> None:
    refused = await strict.post("Observation", observation("Patient/nobody"))
    assert (refused.status, refused.code) == (422, "not-found")
    assert refused.issue["expression"] == ["Observation.subject.reference"]
    assert await strict.count("Observation") == 0


async def test_what_is_here_or_elsewhere_may_be_referred_to(strict: Client) -> None:
    id = (await strict.post("Patient", patient())).id
    for reference in (f"Patient/{id}", f"{BASE}/Patient/{id}", "https://other.test/fhir/Patient/x"):
        assert (await strict.post("Observation", observation(reference))).status == 201
    await strict.delete(f"Patient/{id}")
    assert (await strict.post("Observation", observation(f"Patient/{id}"))).status == 422


async def test_entries_of_a_transaction_may_refer_to_each_other(strict: Client) -> None:
    urn = "urn:uuid:8a5b4c2e-7b1f-4d5e-9a3c-000000000001"
    done = await strict.transaction(
        entry("POST", "Patient", patient(), full_url=urn),
        entry("POST", "Observation", observation(urn)),
    )
    assert done.status == 200
    refused = await strict.transaction(entry("POST", "Observation", observation("Patient/nobody")))
    assert refused.status == 422
    assert await strict.count("Observation") == 1
