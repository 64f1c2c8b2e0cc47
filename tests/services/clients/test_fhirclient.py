"""fhirclient, the SMART Python client (https://github.com/smart-on-fhir/client-py), unmodified.

It has no patch: those are sent over its own session. A bearer token is put on the session too, because its own way
to one is an OAuth launch.
"""

from __future__ import annotations

import time

import pytest
import requests
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.observation import Observation
from fhirclient.models.operationoutcome import OperationOutcome
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRServer

from tests.deployment import OPERATOR_TOKEN, Deployment
from tests.services.clients.stories import (
    EVERYTHING_IN,
    identified,
    observation_of,
    transaction,
)

pytestmark = pytest.mark.services


@pytest.fixture
def smart(server: Deployment) -> FHIRServer:
    client = FHIRClient(settings={"app_id": "test", "api_base": server.fhir})
    client.server.session.headers["Authorization"] = f"Bearer {OPERATOR_TOKEN}"
    client.prepare()
    return client.server


def made(smart: FHIRServer, value: str, **members: object) -> Patient:
    answer = Patient({**identified(value), **members}).create(smart)
    return Patient(answer)


def test_it_understands_the_capability_statement(smart: FHIRServer) -> None:
    statement = smart.capabilityStatement
    assert statement.fhirVersion == "4.0.1"
    assert "Patient" in {row.type for row in statement.rest[0].resource}


def test_create_read_update_delete(smart: FHIRServer) -> None:
    patient = made(smart, "fhirclient-1")
    patient.gender = "female"
    patient.update(smart)
    stored = Patient.read(patient.id, smart)
    assert (stored.gender, stored.meta.versionId) == ("female", "2")
    stored.delete(smart)
    with pytest.raises(requests.HTTPError) as gone:
        Patient.read(patient.id, smart)
    assert gone.value.response.status_code == 410


def test_search_goes_through_all_pages(smart: FHIRServer) -> None:
    for number in range(7):
        Patient(identified(f"smart-page-{number}", family="Smartpage")).create(smart)
    search = Patient.where({"family": "Smartpage", "_count": "3"})
    pages = list(search.perform_iter(smart))
    assert [len(page.entry) for page in pages] == [3, 3, 1]
    found = {patient.id for patient in search.perform_resources_iter(smart)}
    assert len(found) == 7


def test_a_conditional_create_makes_one(smart: FHIRServer) -> None:
    smart.session.headers["If-None-Exist"] = "identifier=urn:test|fhirclient-once"
    assert made(smart, "fhirclient-once").id == made(smart, "fhirclient-once").id


def test_a_transaction_links_what_it_creates(smart: FHIRServer) -> None:
    answer = Bundle(Bundle(transaction("fhirclient-tx")).create(smart))
    assert [entry.response.status for entry in answer.entry] == ["201 Created"] * 2
    search = Observation.where({"subject.identifier": "urn:test|fhirclient-tx"})
    [pulse] = search.perform_resources_iter(smart)
    assert pulse.subject.reference.startswith("Patient/")
    assert pulse.valueQuantity.value == 61.5


def test_a_patch_and_the_history(smart: FHIRServer) -> None:
    patient = made(smart, "fhirclient-patch", active=True)
    patched = smart.session.patch(
        f"{smart.base_uri}Patient/{patient.id}",
        json=[{"op": "replace", "path": "/active", "value": False}],
        headers={"Content-Type": "application/json-patch+json"},
    )
    assert Patient(patched.json()).active is False
    history = Bundle.read_from(f"Patient/{patient.id}/_history", smart)
    assert [entry.request.method for entry in history.entry] == ["PATCH", "POST"]


def test_validate_and_everything(smart: FHIRServer) -> None:
    patient = made(smart, "fhirclient-ops")
    Observation(observation_of(patient.id)).create(smart)
    outcome = OperationOutcome(smart.post_json("Patient/$validate", patient.as_json()).json())
    assert not [issue for issue in outcome.issue if issue.severity in {"error", "fatal"}]
    bundle = Bundle.read_from(f"Patient/{patient.id}/$everything", smart)
    assert {entry.resource.resource_type for entry in bundle.entry} == EVERYTHING_IN


def test_a_record_is_fetched_later(smart: FHIRServer) -> None:
    """https://hl7.org/fhir/R4/async.html"""
    patient = made(smart, "fhirclient-later")
    accepted = smart.session.get(
        f"{smart.base_uri}Patient/{patient.id}/$everything", headers={"Prefer": "respond-async"}
    )
    assert accepted.status_code == 202
    url = accepted.headers["Content-Location"]
    while (state := smart.session.get(url)).status_code == 202:
        time.sleep(min(int(state.headers["Retry-After"]), 1))
    [answer] = Bundle(state.json()).entry
    assert answer.response.status == "200 OK"
    assert answer.resource.entry[0].resource.id == patient.id


def test_a_refusal_is_an_operation_outcome(smart: FHIRServer) -> None:
    with pytest.raises(FHIRNotFoundException) as missing:
        Patient.read("none", smart)
    outcome = OperationOutcome(missing.value.response.json())
    assert outcome.issue[0].code == "not-found"
    with pytest.raises(requests.HTTPError) as refused:
        smart.post_json("Patient", {"resourceType": "Patient", "gender": "unheard-of"})
    outcome = OperationOutcome(refused.value.response.json())
    assert outcome.issue[0].expression == ["Patient.gender"]
    with pytest.raises(FHIRValidationError):
        Patient({"gender": 1})
