"""Every access is written down: with the commit where it changes something, else in the journal before its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from audit.access import Access, decoded, decoded_actor
from audit.delivery import TOPIC
from audit.errors import JournalUnavailable
from audit.interactions import interaction_of, write_of
from audit.journal import Journal
from audit.journal_files import JournalFiles
from fhir_api.access import Caller
from fhir_api.api import Api
from tests.fhir_api.client import OPERATOR, Client

PATIENT = {"resourceType": "Patient", "name": [{"family": "Secret"}]}


@pytest.fixture
async def audited(api: Api, tmp_path: Path) -> AsyncIterator[Client]:
    journal = Journal(tmp_path / "journal")
    yield Client(replace(api, journal=journal))
    journal.close()


class Kept:
    """What was written down since it was last asked."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client, self._files = client, JournalFiles(folder)

    async def journal(self) -> list[Access]:
        lines = self._files.pending(1000)
        self._files.delivered(lines)
        found = [decoded(line.text) for line in lines]
        assert None not in found
        return [access for access in found if access]

    async def outbox(self) -> list[Access]:
        rows = await self._client.api.store.outbox(TOPIC, 1000)
        await self._client.api.store.outbox_done([row.sequence for row in rows])
        found = [decoded(row.outgoing.payload) for row in rows]
        return [access for access in found if access]


@pytest.fixture
def kept(audited: Client, tmp_path: Path) -> Kept:
    return Kept(audited, tmp_path / "journal")


def told(accesses: list[Access]) -> list[str]:
    return [
        f"{interaction_of(one).code} {one.status} "
        + " ".join(f"{t.type}/{t.version}{t.method}" for t in one.targets)
        for one in accesses
    ]


async def test_what_is_written_is_audited_by_its_own_commit(audited: Client, kept: Kept) -> None:
    id = (await audited.ask("POST", "Patient", PATIENT)).header("location").split("/")[-3]  # type: ignore[union-attr]
    await audited.ask("PUT", f"Patient/{id}", {**PATIENT, "id": id, "active": True})
    patch = [{"op": "replace", "path": "/active", "value": False}]
    await audited.ask("PATCH", f"Patient/{id}", patch, content_type="application/json-patch+json")
    await audited.ask("DELETE", f"Patient/{id}")
    written = await kept.outbox()
    assert [write_of(one.targets[0]).code for one in written] == [
        "create",
        "update",
        "patch",
        "delete",
    ]
    assert {one.targets[0].id for one in written} == {id}
    assert await kept.journal() == []


async def test_what_is_read_is_in_the_journal_with_its_version(audited: Client, kept: Kept) -> None:
    representation = {"prefer": "return=representation"}
    id = (await audited.ask("POST", "Patient", PATIENT, **representation)).id
    await kept.outbox()
    await audited.ask("GET", f"Patient/{id}")
    await audited.ask("GET", f"Patient/{id}", if_none_match='W/"1"')
    await audited.ask("GET", f"Patient/{id}/_history/1")
    await audited.ask("GET", "Patient?name=secret")
    await audited.ask("GET", f"Patient/{id}/_history")
    assert told(await kept.journal()) == [
        "read 200 Patient/1",
        "read 304 Patient/1",
        "vread 200 Patient/1",
        "search-type 200 Patient/1",
        "history-instance 200 Patient/1",
    ]
    assert await kept.outbox() == []


async def test_includes_are_shown_too(audited: Client, kept: Kept) -> None:
    await audited.ask("PUT", "Patient/p", {**PATIENT, "id": "p"})
    observation = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/p"},
    }
    await audited.ask("PUT", "Observation/o", observation)
    await audited.ask("GET", "Observation?_include=Observation:subject")
    assert told(await kept.journal()) == ["search-type 200 Observation/1 Patient/1"]


async def test_a_form_is_part_of_the_query(audited: Client, kept: Kept) -> None:
    form = "application/x-www-form-urlencoded"
    await audited.ask("POST", "Patient/_search?_count=1", b"name=x", content_type=form)
    (access,) = await kept.journal()
    assert access.query == "_count=1&name=x"


async def test_each_entry_of_a_bundle_is_an_access_beside_the_bundle(
    audited: Client, kept: Kept
) -> None:
    def bundle(kind: str) -> dict[str, object]:
        entries = [
            {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}},
            {"request": {"method": "GET", "url": "Patient/none"}},
        ]
        return {"resourceType": "Bundle", "type": kind, "entry": entries}

    for kind in ("batch", "transaction"):
        await audited.ask("POST", "", bundle(kind))
        assert told(await kept.journal()) == ["read 404 ", f"{kind} 200 "]
        (written,) = await kept.outbox()
        assert written.targets[0].method == "POST"


async def test_what_is_refused_is_written_down(audited: Client, kept: Kept) -> None:
    nobody = audited.calling_as(Caller("app", frozenset(), scopes=()))
    await nobody.ask("GET", "Patient/x")
    await audited.ask("GET", "Patient/x")
    await audited.ask("POST", "Patient", b"{")
    await audited.ask("GET", "Nonsense")
    accesses = await kept.journal()
    assert [one.status for one in accesses] == [403, 404, 400, 404]
    assert decoded_actor(accesses[0].actor).client == "app"


async def test_the_caller_is_kept_as_the_token_said(audited: Client, kept: Kept) -> None:
    caller = Caller(
        "viewer",
        OPERATOR.roles,
        user="Practitioner/1",
        subject="s",
        token_id="jti",
        purpose="BTG",
    )
    await audited.calling_as(caller).ask("GET", "Patient/x")
    (access,) = await kept.journal()
    actor = decoded_actor(access.actor)
    assert (actor.user, actor.token_id, actor.purpose) == ("Practitioner/1", "jti", "BTG")


async def test_what_cannot_be_written_down_is_not_answered(
    audited: Client, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await audited.ask("PUT", "Patient/p", {**PATIENT, "id": "p"})

    def full(line: bytes) -> None:
        raise JournalUnavailable("disk full")

    assert audited.api.journal is not None
    monkeypatch.setattr(audited.api.journal, "append", full)
    refused = await audited.ask("GET", "Patient/p")
    assert refused.status == 503
    assert b"Secret" not in refused.body


async def test_the_capability_statement_is_nobodys_data(audited: Client, kept: Kept) -> None:
    await audited.ask("GET", "metadata")
    assert await kept.journal() == []
