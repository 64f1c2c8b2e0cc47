"""``$validate`` (https://hl7.org/fhir/R4/resource-operation-validate.html)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fhir_api.client import Client, Reply, patient

BP = "http://hl7.org/fhir/StructureDefinition/bp"
NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
GOOD = patient(text=NARRATIVE)
BAD: dict[str, Any] = {**GOOD, "gender": "unheard-of", "birthDate": "yesterday", "colour": "red"}


def parameters(**values: Any) -> dict[str, Any]:
    """``mode``, ``profile`` and ``resource`` as a Parameters resource."""
    kinds = {"mode": "valueCode", "profile": "valueUri", "resource": "resource"}
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, kinds[name]: value} for name, value in values.items()],
    }


def found(reply: Reply) -> list[tuple[str, str]]:
    assert reply.status == 200
    assert reply.json["resourceType"] == "OperationOutcome"
    return [(row["severity"], row.get("expression", [""])[0]) for row in reply.json["issue"]]


async def test_a_valid_resource_is_all_ok_and_is_not_stored(client: Client) -> None:
    reply = await client.post("Patient/$validate", GOOD)
    assert found(reply) == [("information", "")]
    assert reply.issue["details"]["text"] == "All OK"
    assert await client.count("Patient") == 0


async def test_all_that_is_wrong_is_told_at_once(client: Client) -> None:
    reply = await client.post("Patient/$validate", BAD)
    assert sorted(found(reply)) == [
        ("error", "Patient.birthDate"),
        ("error", "Patient.colour"),
        ("error", "Patient.gender"),
    ]


async def test_places_are_those_in_the_parameters(client: Client) -> None:
    reply = await client.post("Patient/$validate", parameters(mode="create", resource=BAD))
    assert ("error", "Parameters.parameter[1].resource.birthDate") in found(reply)


async def test_warnings_and_notes_come_too(client: Client) -> None:
    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    tags = [{"system": category, "code": "imaging", "display": "Pictures"}]
    status = {"coding": [{"system": "urn:oid:1.2", "code": "own"}]}
    told = {
        **GOOD,
        "maritalStatus": status,
        "meta": {"profile": ["http://example.org/unheard-of"], "tag": tags},
        "extension": [{"url": "http://example.org/x", "valueString": "x"}],
    }
    assert sorted(found(await client.post("Patient/$validate", told))) == [
        ("information", "Patient.extension[0]"),
        ("information", "Patient.maritalStatus.coding[0].code"),
        ("warning", "Patient.maritalStatus"),
        ("warning", "Patient.meta.profile[0]"),
        ("warning", "Patient.meta.tag[0].display"),
    ]


async def test_a_profile_may_be_asked_for_in_the_url_or_the_parameters(client: Client) -> None:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    for reply in (
        await client.post(f"Observation/$validate?profile={BP}", observation),
        await client.post("Observation/$validate", parameters(resource=observation, profile=BP)),
        await client.post(
            "Observation/$validate", parameters(resource=observation, profile=BP, mode="profile")
        ),
    ):
        places = [
            place.rpartition(".")[2] for severity, place in found(reply) if severity == "error"
        ]
        assert {"category", "subject", "effective"} <= set(places)
    unknown = await client.post("Observation/$validate?profile=http://example.org/no", observation)
    assert ("error", "Observation") in found(unknown)


async def test_what_is_stored_is_validated_at_its_instance(client: Client) -> None:
    id = (await client.post("Patient", GOOD)).id
    assert found(await client.get(f"Patient/{id}/$validate")) == [("information", "")]
    reply = await client.get(f"Patient/{id}/$validate?profile={BP}")
    assert found(reply) == [("error", "Patient")]


async def test_an_update_asks_for_the_instances_id(client: Client) -> None:
    def sent(**members: Any) -> dict[str, Any]:
        return parameters(mode="update", resource={**GOOD, **members})

    assert found(await client.post("Patient/a/$validate", sent(id="a"))) == [("information", "")]
    place = ("error", "Parameters.parameter[1].resource.id")
    assert found(await client.post("Patient/a/$validate", sent(id="b"))) == [place]
    assert found(await client.post("Patient/a/$validate", sent())) == [place]


async def test_a_deletion_asks_whether_the_instance_is_there(client: Client) -> None:
    id = (await client.post("Patient", GOOD)).id
    reply = await client.post(f"Patient/{id}/$validate", parameters(mode="delete"))
    assert found(reply) == [("information", "")]
    assert (await client.get(f"Patient/{id}")).status == 200
    assert (await client.get("Patient/nobody/$validate?mode=delete")).status == 404
    await client.delete(f"Patient/{id}")
    assert (await client.get(f"Patient/{id}/$validate?mode=delete")).status == 410


@pytest.mark.parametrize(
    "url",
    ["Patient/$validate", "Patient/$validate?mode=delete", "Patient/$validate?mode=sideways"],
)
async def test_a_request_that_asks_for_nothing_is_refused(client: Client, url: str) -> None:
    assert (await client.get(url)).status == 400


async def test_the_mode_profile_needs_one(client: Client) -> None:
    reply = await client.post("Patient/$validate", parameters(mode="profile", resource=GOOD))
    assert reply.status == 400


async def test_a_resource_of_another_type_is_an_error_of_the_outcome(client: Client) -> None:
    reply = await client.post("Observation/$validate", GOOD)
    assert found(reply) == [("error", "Observation.resourceType")]


async def test_the_capability_statement_lists_it(client: Client) -> None:
    rest = (await client.get("metadata")).json["rest"][0]
    of_patient = next(row for row in rest["resource"] if row["type"] == "Patient")
    assert "validate" in [row["name"] for row in of_patient["operation"]]


async def test_a_type_that_is_no_text_is_an_error_of_the_outcome(client: Client) -> None:
    for type in ({}, [], ["Patient"], 1, True):
        reply = await client.post("Patient/$validate", {"resourceType": type})
        assert (reply.status, found(reply)[0]) == (200, ("error", "Patient.resourceType"))
