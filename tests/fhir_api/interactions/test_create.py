"""https://hl7.org/fhir/R4/http.html#create and #ccreate"""

import asyncio

import pytest

from tests.fhir_api.client import BASE, Client, patient


async def test_create_answers_201_with_location_etag_and_the_resource(client: Client) -> None:
    reply = await client.post("Patient", patient())
    assert reply.status == 201
    assert reply.header("location") == f"{BASE}/Patient/{reply.id}/_history/1"
    assert reply.etag == 'W/"1"'
    assert reply.json["meta"]["versionId"] == "1"
    assert reply.body == (await client.get(f"Patient/{reply.id}")).body


async def test_create_ignores_id_version_and_time_that_the_client_sent(client: Client) -> None:
    sent = patient(
        id="mine",
        meta={"versionId": "7", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [{"code": "kept"}]},
    )
    reply = await client.post("Patient", sent)
    assert reply.status == 201
    assert reply.id != "mine"
    assert reply.json["meta"]["versionId"] == "1"
    assert not reply.json["meta"]["lastUpdated"].startswith("2001")
    assert reply.json["meta"]["tag"] == [{"code": "kept"}]
    assert (await client.get("Patient/mine")).status == 404


async def test_prefer_says_what_a_create_answers_with(client: Client) -> None:
    """https://hl7.org/fhir/R4/http.html#ops"""
    minimal = await client.post("Patient", patient(), prefer="return=minimal")
    assert (minimal.status, minimal.body) == (201, b"")
    assert minimal.header("location")
    outcome = await client.post("Patient", patient(), prefer="return=OperationOutcome")
    assert (outcome.status, outcome.json["resourceType"]) == (201, "OperationOutcome")
    whole = await client.post("Patient", patient(), prefer="return=representation")
    assert whole.json["resourceType"] == "Patient"
    odd = await client.post("Patient", patient(), prefer="return=everything; wait=3")
    assert odd.json["resourceType"] == "Patient"


async def test_a_resource_of_another_type_than_the_url_is_400(client: Client) -> None:
    reply = await client.post("Patient", {"resourceType": "Observation"})
    assert (reply.status, reply.code) == (400, "invalid")
    reply = await client.post("Patient", {"active": True})
    assert (reply.status, reply.issue["expression"]) == (400, ["resourceType"])


async def test_an_invalid_resource_is_422_with_every_place_and_is_not_stored(
    client: Client,
) -> None:
    reply = await client.post("Patient", patient(active="yes", gender="x", colour="blue"))
    assert reply.status == 422
    places = {issue["expression"][0] for issue in reply.json["issue"]}
    assert {"Patient.active", "Patient.gender"} <= places
    assert b"blue" not in reply.body
    assert await client.count("Patient") == 0


async def test_what_is_no_json_is_400(client: Client) -> None:
    for body in (b"", b"{", b"[]", b'"x"', b"null", b"<Patient/>", b"\xff\xfe", b"{}{}"):
        reply = await client.post("Patient", body)
        assert reply.status == 400, body
    assert await client.count("Patient") == 0


async def test_a_body_of_another_media_type_is_415(client: Client) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "text/html", "x"):
        reply = await client.post("Patient", patient(), content_type=media_type)
        assert (reply.status, reply.code) == (415, "not-supported")
    for parameter in ("charset=iso-8859-1", "fhirVersion=3.0", "fhirVersion=5.0; charset=utf-8"):
        for name in ("application/fhir+json", "application/fhir+xml"):
            refused = await client.post("Patient", patient(), content_type=f"{name}; {parameter}")
            assert refused.status == 415
    for media_type in (
        "application/json",
        "application/fhir+json; charset=UTF-8",
        "application/fhir+json; fhirVersion=4.0",
        "text/json",
    ):
        assert (await client.post("Patient", patient(), content_type=media_type)).status == 201


async def test_if_none_exist_creates_once(client: Client) -> None:
    condition = "identifier=urn:test|1"
    first = await client.post("Patient", patient(), if_none_exist=condition)
    second = await client.post("Patient", patient(), if_none_exist=condition)
    assert (first.status, second.status) == (201, 200)
    assert first.id == second.id
    assert second.header("location") == first.header("location")
    assert await client.count("Patient") == 1


async def test_if_none_exist_may_be_written_as_a_url(client: Client) -> None:
    first = await client.post("Patient", patient(), if_none_exist="?identifier=urn:test|1")
    second = await client.post("Patient", patient(), if_none_exist="Patient?identifier=urn:test|1")
    assert (first.status, second.status) == (201, 200)


async def test_if_none_exist_with_several_matches_is_412(client: Client) -> None:
    await client.post("Patient", patient())
    await client.post("Patient", patient())
    reply = await client.post("Patient", patient(), if_none_exist="identifier=urn:test|1")
    assert (reply.status, reply.code) == (412, "multiple-matches")


async def test_a_condition_that_is_not_understood_creates_nothing(client: Client) -> None:
    for condition in ("nonsense=1", "", "_count=1", "birthdate=notadate"):
        reply = await client.post("Patient", patient(), if_none_exist=condition)
        assert reply.status in {400, 412}, condition
    assert await client.count("Patient") == 0


async def test_a_conditional_create_in_a_race_never_makes_two(client: Client) -> None:
    condition = "identifier=urn:test|1"
    replies = await asyncio.gather(
        *(client.post("Patient", patient(), if_none_exist=condition) for _ in range(20))
    )
    assert sorted(reply.status for reply in replies) == [200] * 19 + [201]
    assert len({reply.id for reply in replies}) == 1
    assert await client.count("Patient") == 1


async def test_criteria_in_the_url_of_a_create_are_a_condition_too(client: Client) -> None:
    """R4 has no such thing, but fhirpy sends it: made without a word, it would be there twice."""
    first = await client.post("Patient?identifier=urn:test|1", patient())
    again = await client.post("Patient?identifier=urn:test|1&_format=json", patient())
    assert (first.status, again.status, first.id) == (201, 200, again.id)
    assert (await client.post("Patient?_format=json", patient())).status == 201
    assert (await client.post("Patient?identifier=urn:test|1", patient())).status == 412


@pytest.mark.parametrize("before", ["", "?", "Patient?", "http://fhir.test/fhir/Patient?"])
async def test_the_condition_of_a_create_may_come_as_a_url(client: Client, before: str) -> None:
    """R4 wants the parameters alone; clients send the URL too (HAPI's the whole of it)."""
    once = f"{before}identifier=urn:test|1"
    first = await client.post("Patient", patient(), if_none_exist=once)
    again = await client.post("Patient", patient(), if_none_exist=once)
    assert (first.status, again.status) == (201, 200)
    other = await client.post("Patient", patient(), if_none_exist=once.replace("Patient", "Group"))
    assert other.status == (400 if "Patient" in before else 200)
