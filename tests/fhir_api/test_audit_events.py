"""AuditEvents are found by auditors as any resource is, come from other systems too, and are changed by nobody.

https://hl7.org/fhir/R4/auditevent.html#search, https://profiles.ihe.net/ITI/TF/Volume2/ITI-81.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from audit.delivery import Delivery
from audit.journal import Journal
from audit.journal_files import JournalFiles
from audit.signing import Signer
from audit.sqlite import Indexed, SqliteSink
from audit.verify import verify
from fhir_api.access import Caller
from fhir_api.api import Api
from fhir_api.patients import patients_in
from fhir_api.search.extract import entries_of
from fhir_api.smart.scopes import resource_scopes
from store.sqlite import SqliteStore
from tests.fhir_api.client import OPERATOR, WORKER, Client, Reply

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Secret"}]}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p"},
}
AUDITOR = Caller("auditor", frozenset({"auditor"}))
SCANNER = Caller("ct-1", frozenset(), resource_scopes("system/AuditEvent.c"))
RADIOLOGIST = Caller(
    "viewer",
    frozenset({"radiologist"}),
    user="Practitioner/7",
    subject="s7",
    token_id="jti-7",
    purpose="BTG",
)
SENT = {
    "resourceType": "AuditEvent",
    "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110100"},
    "recorded": "2026-11-25T10:00:00Z",
    "agent": [{"requestor": False, "who": {"display": "CT 1"}}],
    "source": {"site": "radiology", "observer": {"display": "CT 1"}},
}


@dataclass
class Ward:
    client: Client
    delivery: Delivery
    signer: Signer

    async def ask(self, method: str, url: str, body: Any = None, **headers: str) -> Reply:
        return await self.client.ask(method, url, body, **headers)

    async def as_(self, caller: Caller, method: str, url: str, body: Any = None) -> Reply:
        return await self.client.calling_as(caller).ask(method, url, body)

    async def found(self, query: str) -> list[dict[str, Any]]:
        """What an auditor finds, once all is delivered."""
        await self.delivery.all()
        reply = await self.as_(AUDITOR, "GET", f"AuditEvent?{query}&_count=100")
        assert reply.status == 200, reply.json
        return [entry["resource"] for entry in reply.json.get("entry", [])]


@pytest.fixture
async def ward(api: Api, tmp_path: Path) -> AsyncIterator[Ward]:
    journal = Journal(tmp_path / "journal")
    kept = SqliteStore.open(tmp_path / "audit")
    api = replace(api, journal=journal)
    api = replace(api, audit=replace(api, store=kept))
    signer = Signer(tmp_path / "keys")
    index = Indexed(lambda event: entries_of("AuditEvent", event, ""), "test")
    sink = SqliteSink(kept, index, signer, tmp_path / "checkpoints")
    delivery = Delivery(api.store, JournalFiles(tmp_path / "journal"), sink, patients_in)
    yield Ward(Client(api), delivery, signer)
    journal.close()
    await kept.close()


def subtypes(events: list[dict[str, Any]]) -> list[str]:
    return [event["subtype"][0]["code"] for event in events]


async def test_accesses_are_found_by_the_parameters_of_r4(ward: Ward) -> None:
    await ward.ask("PUT", "Patient/p", PATIENT)
    await ward.ask("PUT", "Observation/o", OBSERVATION)
    await ward.as_(RADIOLOGIST, "GET", "Observation/o")
    await ward.as_(RADIOLOGIST, "GET", "Observation?status=final")
    await ward.as_(RADIOLOGIST, "GET", "Patient/nobody")
    await ward.ask("DELETE", "Observation/o")
    of_patient = await ward.found("patient=Patient/p")
    assert subtypes(of_patient) == ["create", "create", "read", "search-type", "delete"]
    assert subtypes(await ward.found("agent=Practitioner/7&outcome=0")) == ["read", "search-type"]
    assert subtypes(await ward.found("outcome=4")) == ["read"]
    assert subtypes(await ward.found("action=D")) == ["delete"]
    assert subtypes(await ward.found("subtype=search-type&patient=p")) == ["search-type"]
    assert subtypes(await ward.found("entity=Observation/o&action=R")) == ["read"]
    assert subtypes(await ward.found("policy=urn:ietf:params:oauth:jti:jti-7&action=R")) == [
        "read",
        "read",
    ]
    assert subtypes(await ward.found("entity-role=24&patient=p")) == ["search-type"]
    newest = await ward.found("_sort=-date&entity-type=1")
    assert subtypes(newest)[0] == "delete"


async def test_an_auditors_own_looks_are_audited(ward: Ward) -> None:
    await ward.found("patient=p")
    (look,) = await ward.found("agent:identifier=|auditor&entity-role=24")
    assert look["agent"][0]["who"]["identifier"]["value"] == "auditor"


async def test_one_event_is_read_by_its_id(ward: Ward) -> None:
    await ward.ask("PUT", "Patient/p", PATIENT)
    (event,) = await ward.found("action=C")
    read = await ward.as_(AUDITOR, "GET", f"AuditEvent/{event['id']}")
    assert read.json == event
    vread = await ward.as_(AUDITOR, "GET", f"AuditEvent/{event['id']}/_history/1")
    assert vread.json == event


async def test_only_auditors_see_them(ward: Ward) -> None:
    await ward.ask("PUT", "Patient/p", PATIENT)
    (event,) = await ward.found("action=C")
    for caller in (OPERATOR, WORKER, RADIOLOGIST, SCANNER):
        assert (await ward.as_(caller, "GET", "AuditEvent")).status == 403
        assert (await ward.as_(caller, "GET", f"AuditEvent/{event['id']}")).status == 403


@pytest.mark.parametrize("caller", [OPERATOR, WORKER, RADIOLOGIST, AUDITOR, SCANNER])
async def test_nobody_changes_or_deletes_them(ward: Ward, caller: Caller) -> None:
    await ward.ask("PUT", "Patient/p", PATIENT)
    (event,) = await ward.found("action=C")
    url = f"AuditEvent/{event['id']}"
    patch = [{"op": "remove", "path": "/outcome"}]
    delete = {"request": {"method": "DELETE", "url": url}}
    put = {"request": {"method": "PUT", "url": url}, "resource": event}
    assert (await ward.as_(caller, "PUT", url, event)).status == 403
    assert (await ward.as_(caller, "PATCH", url, patch)).status in {403, 415}
    assert (await ward.as_(caller, "DELETE", url)).status == 403
    assert (await ward.as_(caller, "DELETE", "AuditEvent?action=C")).status in {403, 412}
    for entry in (delete, put):
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        assert (await ward.as_(caller, "POST", "", bundle)).status in {403, 404}
    assert (await ward.as_(AUDITOR, "GET", url)).json == event


async def test_other_systems_send_theirs(ward: Ward) -> None:
    sent = await ward.as_(SCANNER, "POST", "AuditEvent", SENT)
    assert sent.status == 201
    id = (sent.header("location") or "").split("/")[-3]
    (event,) = await ward.found("site=radiology")
    assert event["id"] == id
    assert event["source"] == SENT["source"]
    (sending,) = await ward.found(f"entity=AuditEvent/{id}")
    assert subtypes([sending]) == ["create"]


async def test_one_that_does_not_keep_its_profiles_is_not_refused(ward: Ward) -> None:
    profile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Read"
    claiming = {**SENT, "meta": {"profile": [profile]}}
    assert (await ward.as_(SCANNER, "POST", "AuditEvent", claiming)).status == 201
    (event,) = await ward.found("site=radiology")
    assert event["meta"]["profile"] == [profile]


async def test_one_that_is_no_audit_event_is_refused(ward: Ward) -> None:
    without_agent = {name: value for name, value in SENT.items() if name != "agent"}
    assert (await ward.as_(SCANNER, "POST", "AuditEvent", without_agent)).status == 422
    assert (await ward.as_(SCANNER, "POST", "AuditEvent", PATIENT)).status == 400
    transaction = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": SENT, "request": {"method": "POST", "url": "AuditEvent"}}],
    }
    assert (await ward.as_(SCANNER, "POST", "", transaction)).status == 404
    assert await ward.found("site=radiology") == []


async def test_a_batch_of_them_is_taken(ward: Ward) -> None:
    """https://profiles.ihe.net/ITI/RESTful-ATNA/ITI-20.html: Send Audit Bundle."""
    entry = {"resource": SENT, "request": {"method": "POST", "url": "AuditEvent"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry, entry]}
    reply = await ward.as_(SCANNER, "POST", "", bundle)
    assert [e["response"]["status"][:3] for e in reply.json["entry"]] == ["201", "201"]
    assert len(await ward.found("site=radiology")) == 2


async def test_the_audit_of_all_this_is_whole(ward: Ward) -> None:
    await ward.ask("PUT", "Patient/p", PATIENT)
    await ward.as_(SCANNER, "POST", "AuditEvent", SENT)
    await ward.found("action=C")
    await ward.found("action=E")
    audit = ward.client.api.audit
    assert audit is not None
    verdict = await verify(audit.store, ward.signer.public)
    assert verdict.findings == ()
    assert verdict.events >= 4


async def test_a_crash_between_the_sink_and_the_outbox_doubles_nothing(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ward.ask("PUT", "Patient/p", PATIENT)
    await ward.ask("GET", "Patient/p")

    class Killed(Exception):
        pass

    async def killed(_: object) -> None:
        raise Killed

    def not_noted(_: object) -> None:
        return None

    with monkeypatch.context() as crash:
        crash.setattr(ward.client.api.store, "outbox_done", killed)
        crash.setattr(ward.delivery._files, "delivered", not_noted)
        with pytest.raises(Killed):
            await ward.delivery.once()
    assert subtypes(await ward.found("patient=p")) == ["create", "read"]
