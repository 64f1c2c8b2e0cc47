"""fhirpy (https://github.com/beda-software/fhir-py), unmodified."""

from __future__ import annotations

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import (
    AuthorizationError,
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)

from tests.deployment import OPERATOR_TOKEN, Deployment
from tests.services.clients.stories import (
    EVERYTHING_IN,
    PATCH_TO_INACTIVE,
    identified,
    observation_of,
    transaction,
)

pytestmark = pytest.mark.services


@pytest.fixture
def client(server: Deployment) -> SyncFHIRClient:
    return SyncFHIRClient(server.fhir, authorization=f"Bearer {OPERATOR_TOKEN}")


def test_create_read_update_delete(client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", **identified("fhirpy-1"))
    patient.save()
    assert patient["meta"]["versionId"] == "1"
    patient["gender"] = "female"
    patient.save()
    assert client.reference("Patient", patient.id).to_resource()["gender"] == "female"
    patient.delete()
    with pytest.raises(ResourceNotFound) as gone:
        client.reference("Patient", patient.id).to_resource()
    assert '"deleted"' in str(gone.value)


def test_search_goes_through_all_pages(client: SyncFHIRClient) -> None:
    for number in range(7):
        client.resource("Patient", **identified(f"page-{number}", family="Fhirpypage")).save()
    found = client.resources("Patient").search(family="Fhirpypage").sort("_id").limit(3)
    ids = [patient.id for patient in found]
    assert len(set(ids)) == 7
    assert ids == sorted(ids)
    assert found.count() == 7
    assert len(found.fetch()) == 3


def test_a_conditional_create_makes_one(server: Deployment, client: SyncFHIRClient) -> None:
    once = SyncFHIRClient(
        server.fhir,
        authorization=f"Bearer {OPERATOR_TOKEN}",
        extra_headers={"If-None-Exist": "identifier=urn:test|fhirpy-once"},
    )
    first = once.resource("Patient", **identified("fhirpy-once")).create()
    again = once.resource("Patient", **identified("fhirpy-once")).create()
    assert first.id == again.id
    # Its own way asks in the URL of the create.
    search = client.resources("Patient").search(identifier="urn:test|fhirpy-own")
    patient = client.resource("Patient", **identified("fhirpy-own"))
    made, created = search.get_or_create(patient)
    assert created
    found, created = search.get_or_create(patient)
    assert (found.id, created) == (made.id, False)


def test_a_conditional_update_and_several_matches(client: SyncFHIRClient) -> None:
    search = client.resources("Patient").search(identifier="urn:test|fhirpy-cond")
    made, created = search.update(client.resource("Patient", **identified("fhirpy-cond")))
    assert created
    again, created = search.update(
        client.resource("Patient", gender="male", **identified("fhirpy-cond"))
    )
    assert (again.id, created, again["gender"]) == (made.id, False, "male")
    client.resource("Patient", **identified("fhirpy-cond")).save()
    with pytest.raises(MultipleResourcesFound):
        search.update(client.resource("Patient", **identified("fhirpy-cond")))


def test_a_transaction_links_what_it_creates(client: SyncFHIRClient) -> None:
    answer = client.execute("", data=transaction("fhirpy-tx"))
    assert [entry["response"]["status"] for entry in answer["entry"]] == ["201 Created"] * 2
    patient = client.resources("Patient").search(identifier="urn:test|fhirpy-tx").get()
    [pulse] = client.resources("Observation").search(subject=f"Patient/{patient.id}").fetch()
    assert pulse["subject"]["reference"] == f"Patient/{patient.id}"


def test_a_patch_and_the_history(client: SyncFHIRClient) -> None:
    """It sends application/json: that is a FHIRPath Patch where it is Parameters."""
    patient = client.resource("Patient", active=True, **identified("fhirpy-patch")).save()
    url = f"Patient/{patient['id']}"
    patched = client.execute(url, method="patch", data=PATCH_TO_INACTIVE)
    assert patched["active"] is False
    history = client.execute(f"{url}/_history", method="get")
    assert [entry["request"]["method"] for entry in history["entry"]] == ["PATCH", "POST"]


def test_validate_and_everything(client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", **identified("fhirpy-ops"))
    assert patient.is_valid()
    assert not client.resource("Patient", gender="unheard-of").is_valid()
    patient.save()
    client.resource("Observation", **observation_of(patient.id)).save()
    bundle = patient.execute("$everything", method="get")
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} == EVERYTHING_IN


def test_a_refusal_is_an_operation_outcome(client: SyncFHIRClient, server: Deployment) -> None:
    with pytest.raises(OperationOutcome) as refused:
        client.resource("Patient", gender="unheard-of").save()
    [issue] = [one for one in refused.value.resource["issue"] if one["severity"] == "error"]
    assert issue["expression"] == ["Patient.gender"]
    with pytest.raises(AuthorizationError):
        SyncFHIRClient(server.fhir, authorization="Bearer wrong").resources("Patient").fetch()
