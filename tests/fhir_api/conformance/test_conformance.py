"""Stored definitions take effect, and never break anything (https://hl7.org/fhir/R4/validation.html)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_api.api import Api
from fhir_api.conformance.conformance import Conformance
from fhir_api.conformance.library import TYPES
from fhir_api.conformance.watcher import Watcher
from fhir_api.validation import Validator
from store.sqlite import SqliteStore
from tests.fhir_api.client import Client, patient
from tests.fhir_api.validation.profiles.small import BASE, profile

CLAIM = patient(meta={"profile": [BASE + "p"]})


async def process_on(store: SqliteStore) -> tuple[Client, Watcher]:
    """An API process as ``healthvision.app`` puts it together."""
    watcher = Watcher(store)
    validator = Validator()
    watcher.listen(TYPES, Conformance(validator).changed)
    await watcher.start()
    return Client(Api(store, validator, watcher=watcher)), watcher


@pytest.fixture
async def here(store: SqliteStore) -> Client:
    client, _ = await process_on(store)
    return client


@pytest.fixture
async def elsewhere(tmp_path: Path, store: SqliteStore) -> AsyncIterator[tuple[Client, Watcher]]:
    other = SqliteStore.open(tmp_path / "data")
    yield await process_on(other)
    await other.close()


def needs(element: str, **members: Any) -> dict[str, Any]:
    return profile("Patient", {"path": element, "min": 1}, **members)


async def test_a_posted_profile_takes_effect_at_once_and_its_deletion_too(here: Client) -> None:
    assert (await here.post("Patient", CLAIM)).status == 201
    id = (await here.post("StructureDefinition", needs("birthDate"))).id
    refused = await here.post("Patient", CLAIM)
    assert (refused.status, refused.issue["expression"]) == (422, ["Patient.birthDate"])
    assert (
        await here.put(f"StructureDefinition/{id}", {**needs("gender"), "id": id})
    ).status == 200
    assert (await here.post("Patient", CLAIM)).issue["expression"] == ["Patient.gender"]
    await here.delete(f"StructureDefinition/{id}")
    assert (await here.post("Patient", CLAIM)).status == 201


async def test_another_process_follows(here: Client, elsewhere: tuple[Client, Watcher]) -> None:
    client, watcher = elsewhere
    await here.post("StructureDefinition", needs("birthDate"))
    await watcher.look()
    assert (await client.post("Patient", CLAIM)).status == 422


async def test_what_was_stored_before_is_used_from_the_start(
    here: Client, store: SqliteStore
) -> None:
    await here.post("StructureDefinition", needs("birthDate"))
    again, _ = await process_on(store)
    assert (await again.post("Patient", CLAIM)).status == 422


async def test_posted_value_sets_and_code_systems_are_what_bindings_ask_for(here: Client) -> None:
    system = {
        "resourceType": "CodeSystem",
        "url": "http://example.org/organs",
        "status": "draft",
        "content": "complete",
        "concept": [{"code": "lung", "concept": [{"code": "lobe"}]}, {"code": "head"}],
    }
    below = {"property": "concept", "op": "is-a", "value": "lung"}
    value_set = {
        "resourceType": "ValueSet",
        "url": BASE + "v",
        "status": "draft",
        "compose": {"include": [{"system": system["url"], "filter": [below]}]},
    }
    binding = {"strength": "required", "valueSet": BASE + "v"}
    bound = profile("Patient", {"path": "maritalStatus", "binding": binding})

    async def status(code: str) -> int:
        coding = {"system": system["url"], "code": code}
        return (await here.post("Patient", {**CLAIM, "maritalStatus": {"coding": [coding]}})).status

    assert await status("unheard-of") == 201
    for resource in (bound, value_set, system):
        assert (await here.post(resource["resourceType"], resource)).status == 201
    assert [await status(code) for code in ("lung", "lobe", "head", "unheard-of")] == [
        201,
        201,
        422,
        422,
    ]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (needs("birthDate", base="http://example.org/unheard-of"), "is not loaded"),
        (needs("wings"), "has no element wings"),
        (
            profile("Patient", {"path": "name", "type": [{"code": "Money"}]}),
            "cannot be of type Money",
        ),
    ],
)
async def test_a_profile_that_cannot_be_used_is_stored_with_a_warning_and_breaks_nothing(
    here: Client, broken: dict[str, Any], said: str
) -> None:
    stored = await here.post("StructureDefinition", broken)
    assert stored.status == 201
    assert said in (stored.header("warning") or "")
    told = await here.post("StructureDefinition", broken, prefer="return=OperationOutcome")
    assert (told.issue["severity"], told.code) == ("warning", "not-supported")
    asked = await here.post("StructureDefinition/$validate", broken)
    assert said in asked.body.decode()
    assert (await here.post("Patient", CLAIM)).status == 201
    advice = await here.post("Patient/$validate", CLAIM)
    assert said in advice.body.decode()


async def test_a_constraint_that_cannot_be_read_is_told_and_the_rest_is_checked(
    here: Client,
) -> None:
    rule = {"key": "x-1", "severity": "error", "human": "No", "expression": "((("}
    partly = profile("Patient", {"path": "birthDate", "min": 1, "constraint": [rule]})
    stored = await here.post("StructureDefinition", partly)
    assert "x-1" in (stored.header("warning") or "")
    assert (await here.post("Patient", CLAIM)).issue["expression"] == ["Patient.birthDate"]


async def test_a_profile_that_names_itself_as_its_base_breaks_nothing(here: Client) -> None:
    stored = await here.post("StructureDefinition", needs("birthDate", base=BASE + "p"))
    assert stored.status == 201
    assert (await here.post("Patient", CLAIM)).status == 201


async def test_the_capability_statement_lists_stored_profiles(here: Client) -> None:
    await here.post("StructureDefinition", needs("birthDate"))
    resources = (await here.get("metadata")).json["rest"][0]["resource"]
    supported = {row["type"]: row.get("supportedProfile") for row in resources}
    assert supported["Patient"] == [BASE + "p"]
    assert supported["Observation"] is None
