"""SearchParameters that are stored here: https://hl7.org/fhir/R4/searchparameter.html"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhir_api.api import Api
from fhir_api.conformance import search_parameters
from fhir_api.conformance.watcher import Watcher
from store.sqlite import SqliteStore
from tests.fhir_api.client import Client
from tests.fhir_api.conftest import VALIDATOR

EYES = "http://example.org/eye-colour"


def definition(**elements: Any) -> dict[str, Any]:
    """A parameter on an extension of a Patient, unless ``elements`` say something else; None leaves one out."""
    whole = {
        "resourceType": "SearchParameter",
        "url": "http://example.org/SearchParameter/eyes",
        "name": "Eyes",
        "status": "active",
        "description": "Colour of the eyes",
        "code": "eyes",
        "base": ["Patient"],
        "type": "token",
        "expression": f"Patient.extension('{EYES}').value",
        **elements,
    }
    return {name: value for name, value in whole.items() if value is not None}


def patient(id: str, colour: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "extension": [{"url": EYES, "valueCode": colour}],
        **elements,
    }


def watched(store: SqliteStore) -> Api:
    watcher = Watcher(store)
    api = Api(store, VALIDATOR, watcher=watcher)
    watcher.listen(("SearchParameter",), api.search_parameters.changed)
    return api


@pytest.fixture
async def api(store: SqliteStore) -> Api:
    api = watched(store)
    assert api.watcher is not None
    await api.watcher.start()
    return api


async def found(client: Client, query: str) -> list[str]:
    reply = await client.get(query)
    assert reply.status == 200, reply.json
    entries = reply.json.get("entry", [])
    return [e["resource"]["id"] for e in entries if e["search"]["mode"] != "outcome"]


async def test_what_is_written_after_a_parameter_is_found_by_it(client: Client) -> None:
    assert (await client.post("SearchParameter", definition())).status == 201
    await client.put("Patient/a", patient("a", "brown"))
    await client.put("Patient/b", patient("b", "blue"))
    assert await found(client, "Patient?eyes=blue") == ["b"]
    assert await found(client, "Patient?eyes:not=blue") == ["a"]
    assert await found(client, "Patient?_sort=eyes") == ["b", "a"]
    assert await found(client, "Patient?_sort=-eyes") == ["a", "b"]


async def test_a_parameter_counts_in_chains_and_in_includes(client: Client) -> None:
    await client.post("SearchParameter", definition())
    seen_by = definition(
        url="http://example.org/SearchParameter/seen-by",
        code="seen-by",
        base=["Patient", "Person"],
        type="reference",
        target=["Practitioner"],
        expression="Patient.extension('http://example.org/seen-by').value"
        " | Person.extension('http://example.org/seen-by').value",
    )
    assert (await client.post("SearchParameter", seen_by)).status == 201
    await client.put("Practitioner/d", {"resourceType": "Practitioner", "id": "d"})
    extra = {"url": "http://example.org/seen-by", "valueReference": {"reference": "Practitioner/d"}}
    blue = patient("b", "blue")
    await client.put("Patient/b", {**blue, "extension": [*blue["extension"], extra]})
    observation = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/b"},
    }
    await client.put("Observation/o", observation)
    assert await found(client, "Observation?patient.eyes=blue") == ["o"]
    assert await found(client, "Observation?patient.eyes=brown") == []
    assert await found(client, "Patient?_has:Observation:patient:code:text=x&eyes=blue") == ["b"]
    assert await found(client, "Patient?_include=Patient:seen-by") == ["b", "d"]
    assert await found(client, "Practitioner?_revinclude=Patient:seen-by") == ["d", "b"]
    assert await found(client, "Practitioner?_revinclude=*") == ["d", "b"]
    assert await found(client, "Practitioner?_has:Patient:seen-by:eyes=blue") == ["d"]


async def test_a_parameter_on_every_type_is_on_every_type(client: Client) -> None:
    everywhere = definition(
        code="eyes", base=["DomainResource"], expression=f"DomainResource.extension('{EYES}').value"
    )
    assert (await client.post("SearchParameter", everywhere)).status == 201
    await client.put("Patient/a", patient("a", "brown"))
    await client.put(
        "Basic/a", {**patient("a", "blue"), "resourceType": "Basic", "code": {"text": "x"}}
    )
    assert await found(client, "Basic?eyes=blue") == ["a"]
    assert await found(client, "Patient?eyes=blue") == []


async def test_a_conditional_create_goes_by_a_parameter(client: Client) -> None:
    await client.post("SearchParameter", definition())
    first = await client.post("Patient", patient("x", "blue"), if_none_exist="eyes=blue")
    second = await client.post("Patient", patient("x", "blue"), if_none_exist="eyes=blue")
    assert (first.status, second.status) == (201, 200)


async def test_the_capability_statement_lists_it_while_it_is_active(client: Client) -> None:
    async def listed() -> list[str]:
        rows = (await client.get("metadata")).json["rest"][0]["resource"]
        (row,) = [row for row in rows if row["type"] == "Patient"]
        return [p["definition"] for p in row["searchParam"] if p["name"] == "eyes"]

    assert await listed() == []
    await client.put("SearchParameter/eyes", definition(id="eyes"))
    assert await listed() == ["http://example.org/SearchParameter/eyes"]
    await client.put("SearchParameter/eyes", definition(id="eyes", status="retired"))
    assert await listed() == []
    await client.put("SearchParameter/eyes", definition(id="eyes"))
    await client.delete("SearchParameter/eyes")
    assert await listed() == []
    assert (await client.get("Patient?eyes=blue", prefer="handling=strict")).status == 400


@pytest.mark.parametrize(
    ("elements", "element"),
    [
        ({"code": "name"}, "code"),
        ({"code": "_id"}, "code"),
        ({"code": "a.b"}, "code"),
        ({"code": "e" * 65}, "code"),
        ({"code": "name", "base": ["DomainResource"], "expression": "DomainResource.text"}, "code"),
        ({"type": "composite"}, "type"),
        ({"type": "special"}, "type"),
        ({"expression": None}, "expression"),
        ({"expression": "Patient.name.where(given.exists())"}, "expression"),
        ({"expression": "Patient.name.first()"}, "expression"),
        ({"expression": "Patient.("}, "expression"),
        ({"expression": "("}, "expression"),
        ({"expression": "(" * 900}, "expression"),
        ({"expression": "Patient" + ".extension.value" * 100}, "expression"),
        ({"expression": "Patient.extension.value.extension.value"}, "expression"),
        ({"expression": "Patient.nonsense"}, "expression"),
        ({"expression": "Observation.code"}, "expression"),
        ({"expression": "name.family"}, "expression"),
        ({"type": "date", "expression": "Patient.name.family"}, "expression"),
        ({"type": "quantity", "expression": "Patient.active"}, "expression"),
    ],
)  # fmt: skip
async def test_what_cannot_be_searched_by_is_refused_with_its_reason(
    client: Client, elements: dict[str, Any], element: str
) -> None:
    reply = await client.post("SearchParameter", definition(**elements))
    assert reply.status == 422
    assert reply.code == "business-rule"
    assert reply.issue["expression"] == [f"SearchParameter.{element}"]
    assert (
        await client.post("SearchParameter", definition(**{**elements, "status": "draft"}))
    ).status == 201


async def test_a_code_is_one_parameters(client: Client) -> None:
    await client.put("SearchParameter/eyes", definition(id="eyes"))
    other = definition(url="http://example.org/SearchParameter/other")
    refused = await client.post("SearchParameter", other)
    assert refused.issue["expression"] == ["SearchParameter.code"]
    assert (await client.post("SearchParameter", {**other, "code": "others"})).status == 201
    changed = definition(id="eyes", expression=f"Patient.extension('{EYES}').value.as(code)")
    assert (await client.put("SearchParameter/eyes", changed)).status == 200


async def test_a_type_takes_so_many_and_those_can_still_be_changed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_parameters, "MOST_ON_A_TYPE", 1)
    await client.put("SearchParameter/eyes", definition(id="eyes"))
    other = definition(url="http://example.org/SearchParameter/other", code="other")
    refused = await client.post("SearchParameter", other)
    assert refused.issue["expression"] == ["SearchParameter.base[0]"]
    assert (await client.put("SearchParameter/eyes", definition(id="eyes", code="e"))).status == 200


async def test_r4s_own_definitions_are_kept_and_change_nothing(client: Client, api: Api) -> None:
    own = definition(
        url="http://hl7.org/fhir/SearchParameter/Patient-active",
        code="active",
        expression="Patient.active",
    )
    assert (await client.post("SearchParameter", own)).status == 201
    assert list(api.search_parameters.active.types()) == []


async def test_another_process_searches_by_it_too(tmp_path: Path, client: Client) -> None:
    other = SqliteStore.open(tmp_path / "data")
    api = watched(other)
    assert api.watcher is not None
    await api.watcher.start()
    elsewhere = replace(client, api=api)
    await client.post("SearchParameter", definition())
    await api.watcher.look()
    await elsewhere.put("Patient/b", patient("b", "blue"))
    assert await found(client, "Patient?eyes=blue") == ["b"]
    assert await found(elsewhere, "Patient?eyes=blue") == ["b"]
    await other.close()


async def test_a_process_that_starts_searches_by_what_is_stored(
    client: Client, store: SqliteStore
) -> None:
    await client.post("SearchParameter", definition())
    await client.put("Patient/b", patient("b", "blue"))
    api = watched(store)
    assert api.watcher is not None
    await api.watcher.start()
    assert await found(replace(client, api=api), "Patient?eyes=blue") == ["b"]
