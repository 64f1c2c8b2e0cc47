"""https://hl7.org/fhir/R4/http.html#update and #cond-update"""

import asyncio

from tests.fhir_api.client import BASE, Client, patient


async def test_update_makes_the_next_version(client: Client) -> None:
    id = (await client.post("Patient", patient())).id
    reply = await client.put(f"Patient/{id}", patient(id=id, active=True))
    assert (reply.status, reply.etag) == (200, 'W/"2"')
    assert reply.header("location") == f"{BASE}/Patient/{id}/_history/2"
    assert reply.body == (await client.get(f"Patient/{id}")).body


async def test_update_of_a_free_id_creates(client: Client) -> None:
    reply = await client.put("Patient/mine.1-A", patient(id="mine.1-A"))
    assert (reply.status, reply.etag, reply.id) == (201, 'W/"1"', "mine.1-A")


async def test_update_brings_a_deleted_resource_back_as_a_later_version(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.delete("Patient/a")
    reply = await client.put("Patient/a", patient(id="a"))
    assert (reply.status, reply.etag) == (201, 'W/"3"')


async def test_the_id_of_body_and_url_must_be_the_same(client: Client) -> None:
    for body in (patient(id="b"), patient()):
        reply = await client.put("Patient/a", body)
        assert (reply.status, reply.issue["expression"]) == (400, ["Patient.id"])
    assert await client.count("Patient") == 0


async def test_an_id_that_is_none_is_400(client: Client) -> None:
    for id in ("a" * 65, "a_b", "ä", "a b"):
        assert (await client.put(f"Patient/{id}", patient(id=id))).status == 400


async def test_update_with_stale_etag_is_412_and_changes_nothing(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.put("Patient/a", patient(id="a", active=True))
    reply = await client.put("Patient/a", patient(id="a", active=False), if_match='W/"1"')
    assert (reply.status, reply.code) == (412, "conflict")
    stored = await client.get("Patient/a")
    assert (stored.etag, stored.json["active"]) == ('W/"2"', True)


async def test_update_with_the_current_etag_goes_through(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    for number, tag in enumerate(('W/"1"', '"2"', 'W/"9", W/"3"', "*")):
        body = patient(id="a", multipleBirthInteger=number)
        assert (await client.put("Patient/a", body, if_match=tag)).status == 200


async def test_if_match_on_what_is_not_there_is_412(client: Client) -> None:
    assert (await client.put("Patient/a", patient(id="a"), if_match='W/"1"')).status == 412
    await client.put("Patient/a", patient(id="a"))
    await client.delete("Patient/a")
    assert (await client.put("Patient/a", patient(id="a"), if_match='W/"2"')).status == 412


async def test_if_none_match_star_only_creates(client: Client) -> None:
    assert (await client.put("Patient/a", patient(id="a"), if_none_match="*")).status == 201
    reply = await client.put("Patient/a", patient(id="a", active=True), if_none_match="*")
    assert reply.status == 412
    assert (await client.get("Patient/a")).etag == 'W/"1"'


async def test_an_update_that_says_nothing_new_makes_no_version(client: Client) -> None:
    created = await client.post("Patient", patient(meta={"tag": [{"code": "x"}]}))
    url = f"Patient/{created.id}"
    read = await client.get(url)
    for body in (read.body, patient(id=created.id, meta={"tag": [{"code": "x"}]})):
        reply = await client.put(url, body)
        assert reply.status == 200
    # The second body has its members in another order: its bytes are new.
    assert (await client.put(url, read.body)).etag in {'W/"1"', 'W/"2"', 'W/"3"'}
    assert (await client.get(f"{url}/_history/1")).body == read.body


async def test_racing_updates_with_one_etag_let_one_through(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    replies = await asyncio.gather(
        *(
            client.put("Patient/a", patient(id="a", multipleBirthInteger=n), if_match='W/"1"')
            for n in range(12)
        )
    )
    assert sorted(reply.status for reply in replies) == [200] + [412] * 11
    assert (await client.get("Patient/a")).etag == 'W/"2"'


async def test_racing_updates_without_an_etag_all_land_one_after_the_other(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    replies = await asyncio.gather(
        *(client.put("Patient/a", patient(id="a", multipleBirthInteger=n)) for n in range(8))
    )
    assert {reply.status for reply in replies} == {200}
    assert len({reply.etag for reply in replies}) == 8
    assert (await client.get("Patient/a/_history")).json["total"] == 9


async def test_conditional_update_updates_the_one_match(client: Client) -> None:
    id = (await client.post("Patient", patient())).id
    reply = await client.put("Patient?identifier=urn:test|1", patient(active=True))
    assert (reply.status, reply.id, reply.etag) == (200, id, 'W/"2"')


async def test_conditional_update_without_a_match_creates(client: Client) -> None:
    reply = await client.put("Patient?identifier=urn:test|1", patient())
    assert (reply.status, reply.etag) == (201, 'W/"1"')
    reply = await client.put("Patient?identifier=urn:test|2", patient("2", id="mine"))
    assert (reply.status, reply.id) == (201, "mine")


async def test_conditional_update_never_overwrites_what_it_did_not_find(client: Client) -> None:
    await client.put("Patient/a", patient("other", id="a"))
    reply = await client.put("Patient?identifier=urn:test|1", patient(id="a"))
    assert (reply.status, reply.code) == (409, "conflict")
    assert (await client.get("Patient/a")).json["identifier"][0]["value"] == "other"


async def test_conditional_update_with_another_id_than_the_match_is_400(client: Client) -> None:
    await client.post("Patient", patient())
    assert (await client.put("Patient?identifier=urn:test|1", patient(id="b"))).status == 400


async def test_conditional_update_with_several_matches_is_412(client: Client) -> None:
    await client.post("Patient", patient())
    await client.post("Patient", patient())
    reply = await client.put("Patient?identifier=urn:test|1", patient())
    assert (reply.status, reply.code) == (412, "multiple-matches")


async def test_conditional_update_without_criteria_is_412(client: Client) -> None:
    assert (await client.put("Patient", patient())).status == 412
    assert await client.count("Patient") == 0


async def test_racing_conditional_updates_make_one_resource(client: Client) -> None:
    replies = await asyncio.gather(
        *(
            client.put("Patient?identifier=urn:test|1", patient(multipleBirthInteger=n))
            for n in range(8)
        )
    )
    assert sorted(reply.status for reply in replies) == [200] * 7 + [201]
    assert await client.count("Patient") == 1


async def test_last_updated_never_goes_back(client: Client) -> None:
    moments = []
    for number in range(20):
        reply = await client.put("Patient/a", patient(id="a", multipleBirthInteger=number))
        moments.append(reply.json["meta"]["lastUpdated"])
    assert moments == sorted(set(moments))
