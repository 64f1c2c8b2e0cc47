"""https://hl7.org/fhir/R4/http.html#delete"""

from dataclasses import replace

from tests.fhir_api.client import Client, patient


async def test_delete_is_204_and_may_be_repeated(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    first, second = await client.delete("Patient/a"), await client.delete("Patient/a")
    assert (first.status, first.body, first.etag) == (204, b"", 'W/"2"')
    assert (second.status, second.etag) == (204, 'W/"2"')
    assert (await client.get("Patient/a")).status == 410
    assert await client.count("Patient") == 0


async def test_delete_of_what_was_never_there_is_204(client: Client) -> None:
    assert (await client.delete("Patient/never")).status == 204
    assert (await client.get("Patient/never")).status == 404


async def test_delete_with_stale_etag_is_412_and_deletes_nothing(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.put("Patient/a", patient(id="a", active=True))
    assert (await client.delete("Patient/a", if_match='W/"1"')).status == 412
    assert (await client.get("Patient/a")).status == 200
    assert (await client.delete("Patient/a", if_match='W/"2"')).status == 204


async def test_prefer_outcome_makes_a_delete_answer(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.delete("Patient/a", prefer="return=OperationOutcome")
    assert (reply.status, reply.json["resourceType"]) == (200, "OperationOutcome")


async def test_conditional_delete_deletes_the_one_match(client: Client) -> None:
    """https://hl7.org/fhir/R4/http.html#3.1.0.7.1"""
    id = (await client.post("Patient", patient())).id
    other = (await client.post("Patient", patient("2"))).id
    assert (await client.delete("Patient?identifier=urn:test|1")).status == 204
    assert (await client.get(f"Patient/{id}")).status == 410
    assert (await client.get(f"Patient/{other}")).status == 200
    assert (await client.delete("Patient?identifier=urn:test|1")).status == 204


async def test_conditional_delete_of_several_is_412_unless_count_allows_it(client: Client) -> None:
    for _ in range(3):
        await client.post("Patient", patient())
    reply = await client.delete("Patient?identifier=urn:test|1")
    assert (reply.status, reply.code) == (412, "multiple-matches")
    assert await client.count("Patient") == 3
    assert (await client.delete("Patient?identifier=urn:test|1&_count=2")).status == 204
    assert await client.count("Patient") == 1
    for count in ("0", "x", "-1", "99999999"):
        reply = await client.delete(f"Patient?identifier=urn:test|1&_count={count}")
        assert reply.status == 400


async def test_conditional_delete_takes_all_matches_where_that_is_set(client: Client) -> None:
    """https://hl7.org/fhir/R4/http.html#cond-delete: CapabilityStatement…conditionalDelete says which it is"""
    options = replace(client.api.options, delete_multiple=True, page_limit=4)
    several = Client(replace(client.api, options=options))
    statement = (await several.get("metadata")).json
    assert statement["rest"][0]["resource"][0]["conditionalDelete"] == "multiple"
    for _ in range(5):
        await client.post("Patient", patient())
    await client.post("Patient", patient("2"))
    reply = await several.delete("Patient?identifier=urn:test|1")
    assert (reply.status, await client.count("Patient")) == (412, 6)
    assert (await several.delete("Patient?identifier=urn:test|1&_count=1")).status == 204
    assert (await several.delete("Patient?identifier=urn:test|1")).status == 204
    assert await client.count("Patient") == 1


async def test_a_delete_without_criteria_deletes_nothing(client: Client) -> None:
    await client.post("Patient", patient())
    for url in ("Patient", "Patient?_count=10", "Patient?_format=json"):
        assert (await client.delete(url)).status == 412
    assert (await client.delete("Patient?nonsense=1")).status == 400
    assert await client.count("Patient") == 1
