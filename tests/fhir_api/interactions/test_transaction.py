"""https://hl7.org/fhir/R4/http.html#transaction"""

import asyncio
from typing import Any

import pytest

from tests.fhir_api.client import WORKER, Client, bundle, entry, observation, patient

URN = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
OTHER = "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"


def ids(reply: Any) -> list[str]:
    return [answer["response"]["location"].split("/")[1] for answer in reply.json["entry"]]


async def test_links_between_entries_lead_to_what_was_created(client: Client) -> None:
    reply = await client.transaction(
        entry("POST", "Observation", observation(URN)),
        entry("POST", "Patient", patient(), URN),
    )
    assert (reply.status, reply.json["type"]) == (200, "transaction-response")
    assert [a["response"]["status"] for a in reply.json["entry"]] == ["201 Created"] * 2
    observed, person = ids(reply)
    stored = (await client.get(f"Observation/{observed}")).json
    assert stored["subject"] == {"reference": f"Patient/{person}"}
    found = (await client.get(f"Observation?patient={person}")).json
    assert found["total"] == 1


async def test_links_are_replaced_wherever_a_link_may_stand_and_nowhere_else(
    client: Client,
) -> None:
    document = {
        "resourceType": "Basic",
        "code": {"text": "x"},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": URN}],
        "subject": {"reference": URN},
        "extension": [
            {"url": "http://x.test/a", "valueUri": URN},
            {"url": "http://x.test/b", "valueCanonical": URN},
            {"url": "http://x.test/c", "valueString": URN},
        ],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{URN}">{URN}</a></div>',
        },
    }
    reply = await client.transaction(
        entry("POST", "Patient", patient(), URN), entry("POST", "Basic", document)
    )
    assert reply.status == 200, reply.body
    person, basic = ids(reply)
    stored = (await client.get(f"Basic/{basic}")).json
    assert stored["identifier"][0]["value"] == URN
    assert stored["subject"]["reference"] == f"Patient/{person}"
    values = [list(extension.values())[1] for extension in stored["extension"]]
    assert values[0] == f"Patient/{person}"
    assert values[1].startswith("http")
    assert values[1].endswith(f"/Patient/{person}")  # a canonical URL is absolute
    assert values[2] == URN
    assert f'<a href="Patient/{person}">{URN}</a>' in stored["text"]["div"]


async def test_a_relative_reference_means_the_entry_of_the_bundle(client: Client) -> None:
    """https://hl7.org/fhir/R4/bundle.html#references"""
    reply = await client.transaction(
        entry("POST", "Patient", patient(), "http://elsewhere.test/fhir/Patient/7"),
        entry("POST", "Observation", observation("Patient/7")),
        entry("POST", "Observation", observation("http://elsewhere.test/fhir/Patient/7")),
    )
    person, one, two = ids(reply)
    for id in (one, two):
        stored = (await client.get(f"Observation/{id}")).json
        assert stored["subject"]["reference"] == f"Patient/{person}"


async def test_a_transaction_keeps_the_text_of_decimals(client: Client) -> None:
    body = (
        b'{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"%s","resource":'
        b'{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"resource":'
        b'{"resourceType":"Observation","status":"final","code":{"text":"\\u00e9"},"subject" : '
        b'{"reference": "%s"},"valueQuantity":{"value":1.10}},"request":{"method":"POST","url":'
        b'"Observation"}}]}'
    ) % (URN.encode(), URN.encode())
    reply = await client.post("", body)
    person, id = ids(reply)
    stored = (await client.get(f"Observation/{id}")).body
    assert b'"value":1.10}' in stored
    assert b'"\\u00e9"' in stored
    assert b'"Patient/%s"' % person.encode() in stored


async def test_a_failing_entry_is_named_and_undoes_all(client: Client) -> None:
    reply = await client.transaction(
        entry("POST", "Patient", patient(), URN),
        entry("POST", "Observation", observation(URN)),
        entry("POST", "Patient", patient(active="yes")),
        entry("POST", "Observation", {**observation(URN), "status": "wrong"}),
    )
    assert reply.status == 422
    errors = [issue for issue in reply.json["issue"] if issue["severity"] == "error"]
    places = [issue["expression"][0] for issue in errors]
    assert places == ["Bundle.entry[2].resource.active", "Bundle.entry[3].resource.status"]
    assert await client.count("Patient") == 0
    assert await client.count("Observation") == 0


async def test_a_stale_if_match_undoes_all(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.put("Patient/a", patient(id="a", active=True))
    reply = await client.transaction(
        entry("POST", "Patient", patient("2")),
        entry("PUT", "Patient/a", patient(id="a", active=False), ifMatch='W/"1"'),
    )
    assert (reply.status, reply.code) == (412, "conflict")
    assert reply.issue["expression"] == ["Bundle.entry[1].request"]
    assert await client.count("Patient") == 1
    assert (await client.get("Patient/a")).etag == 'W/"2"'


async def test_all_methods_take_effect_in_their_order(client: Client) -> None:
    await client.put("Patient/old", patient("old", id="old"))
    await client.put("Patient/a", patient("a", id="a"))
    reply = await client.transaction(
        entry("GET", "Patient?_sort=_id&_total=accurate"),
        entry("GET", "Patient/a"),
        entry("PUT", "Patient/a", patient("a", id="a", active=True), ifMatch='W/"1"'),
        entry("PUT", "Patient/new", patient("new", id="new")),
        entry("DELETE", "Patient/old"),
        entry("DELETE", "Patient/never"),
        entry("GET", "Patient/old"),
        prefer="return=representation",
    )
    answers = reply.json["entry"]
    statuses = [answer["response"]["status"][:3] for answer in answers]
    assert statuses == ["200", "200", "200", "201", "204", "204", "410"]
    assert answers[0]["resource"]["total"] == 2
    assert answers[1]["resource"]["active"] is True
    assert answers[2]["resource"]["active"] is True
    assert answers[2]["response"]["etag"] == 'W/"2"'
    assert answers[6]["response"]["outcome"]["issue"][0]["code"] == "deleted"


async def test_all_versions_of_a_transaction_share_one_time(client: Client) -> None:
    reply = await client.transaction(
        entry("POST", "Patient", patient("1")), entry("POST", "Patient", patient("2"))
    )
    moments = {answer["response"]["lastModified"] for answer in reply.json["entry"]}
    assert len(moments) == 1


async def test_resources_come_back_only_when_prefer_says_so(client: Client) -> None:
    made = entry("POST", "Patient", patient())
    assert "resource" not in (await client.transaction(made)).json["entry"][0]
    minimal = await client.transaction(made, prefer="return=minimal")
    assert "resource" not in minimal.json["entry"][0]
    outcome = await client.transaction(made, prefer="return=OperationOutcome")
    assert outcome.json["entry"][0]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    whole = await client.transaction(made, prefer="return=representation")
    assert whole.json["entry"][0]["resource"]["meta"]["versionId"] == "1"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("PUT", "Patient/a", patient(id="a")), entry("PUT", "Patient/a", patient(id="a"))],
        [entry("PUT", "Patient/a", patient(id="a")), entry("DELETE", "Patient/a")],
        [entry("DELETE", "Patient/a"), entry("DELETE", "Patient?identifier=urn:test|1")],
        [
            entry("PUT", "Patient/a", patient(id="a")),
            entry("PUT", "Patient?identifier=urn:test|1", patient()),
        ],
    ],
)
async def test_one_resource_in_two_entries_is_400(
    client: Client, entries: list[dict[str, Any]]
) -> None:
    await client.put("Patient/a", patient(id="a", active=True))
    reply = await client.transaction(*entries)
    assert reply.status == 400
    assert reply.issue["expression"][0].startswith("Bundle.entry[1].")
    assert (await client.get("Patient/a")).etag == 'W/"1"'


async def test_two_entries_with_one_full_url_are_422(client: Client) -> None:
    """bdl-7 of https://hl7.org/fhir/R4/bundle.html#invs"""
    made = entry("POST", "Patient", patient(), URN)
    reply = await client.transaction(made, made)
    assert reply.status == 422
    assert "(bdl-7)" in reply.issue["details"]["text"]
    assert await client.count("Patient") == 0


async def test_conditional_creates_of_a_transaction(client: Client) -> None:
    condition = "identifier=urn:test|1"
    made = entry("POST", "Patient", patient(), URN, ifNoneExist=condition)
    linked = entry("POST", "Observation", observation(URN))
    first = await client.transaction(made, linked)
    second = await client.transaction(made, linked)
    assert [a["response"]["status"][:3] for a in first.json["entry"]] == ["201", "201"]
    assert [a["response"]["status"][:3] for a in second.json["entry"]] == ["200", "201"]
    assert ids(first)[0] == ids(second)[0]
    stored = (await client.get(f"Observation/{ids(second)[1]}")).json
    assert stored["subject"]["reference"] == f"Patient/{ids(first)[0]}"
    assert await client.count("Patient") == 1


async def test_the_same_condition_twice_in_a_transaction_makes_one(client: Client) -> None:
    condition = "identifier=urn:test|1"
    reply = await client.transaction(
        entry("POST", "Patient", patient(), URN, ifNoneExist=condition),
        entry("POST", "Patient", patient(), OTHER, ifNoneExist=condition),
        entry("POST", "Observation", observation(OTHER)),
    )
    first, second, observed = ids(reply)
    assert first == second
    assert await client.count("Patient") == 1
    stored = (await client.get(f"Observation/{observed}")).json
    assert stored["subject"]["reference"] == f"Patient/{first}"


async def test_racing_transactions_with_one_condition_make_one(client: Client) -> None:
    made = entry("POST", "Patient", patient(), URN, ifNoneExist="identifier=urn:test|1")
    linked = entry("POST", "Observation", observation(URN))
    replies = await asyncio.gather(*(client.transaction(made, linked) for _ in range(8)))
    assert {reply.status for reply in replies} == {200}
    assert len({ids(reply)[0] for reply in replies}) == 1
    assert await client.count("Patient") == 1
    assert await client.count("Observation") == 8


async def test_conditional_update_and_delete_in_a_transaction(client: Client) -> None:
    await client.put("Patient/a", patient("a", id="a"))
    await client.put("Patient/b", patient("b", id="b"))
    reply = await client.transaction(
        entry("PUT", "Patient?identifier=urn:test|a", patient("a", active=True), URN),
        entry("DELETE", "Patient?identifier=urn:test|b"),
        entry("PUT", "Patient?identifier=urn:test|c", patient("c")),
        entry("POST", "Observation", observation(URN)),
        entry("DELETE", "Patient?identifier=urn:test|none"),
    )
    statuses = [answer["response"]["status"][:3] for answer in reply.json["entry"]]
    assert statuses == ["200", "204", "201", "201", "204"]
    assert (await client.get("Patient/a")).json["active"] is True
    assert (await client.get("Patient/b")).status == 410
    observed = reply.json["entry"][3]["response"]["location"].split("/")[1]
    stored = (await client.get(f"Observation/{observed}")).json
    assert stored["subject"]["reference"] == "Patient/a"


async def test_a_condition_does_not_see_what_the_transaction_deletes(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.transaction(
        entry("POST", "Patient", patient(), ifNoneExist="identifier=urn:test|1"),
        entry("DELETE", "Patient/a"),
    )
    assert [a["response"]["status"][:3] for a in reply.json["entry"]] == ["201", "204"]
    assert await client.count("Patient") == 1


async def test_conditional_references_find_their_resource(client: Client) -> None:
    await client.put("Patient/a", patient("x&y", id="a"))
    condition = "Patient?identifier=urn:test|x%26y"
    reply = await client.transaction(
        entry("POST", "Observation", observation(condition)),
        entry("POST", "Observation", observation(condition)),
    )
    for id in ids(reply):
        stored = (await client.get(f"Observation/{id}")).json
        assert stored["subject"]["reference"] == "Patient/a"


async def test_a_conditional_reference_may_mean_what_the_transaction_creates(
    client: Client,
) -> None:
    condition = "identifier=urn:test|1"
    reply = await client.transaction(
        entry("POST", "Observation", observation(f"Patient?{condition}")),
        entry("POST", "Patient", patient(), ifNoneExist=condition),
    )
    observed, person = ids(reply)
    stored = (await client.get(f"Observation/{observed}")).json
    assert stored["subject"]["reference"] == f"Patient/{person}"


async def test_a_conditional_reference_sees_what_the_transaction_does(client: Client) -> None:
    """They are resolved last: after DELETE, POST and PUT."""
    await client.put("Patient/gone", patient("1", id="gone"))
    await client.put("Patient/changed", patient("2", id="changed"))
    by_value = [observation(f"Patient?identifier=urn:test|{n}") for n in (1, 2)]
    reply = await client.transaction(
        *(entry("POST", "Observation", each) for each in by_value),
        entry("DELETE", "Patient/gone"),
        entry("POST", "Patient", patient("1")),
        entry("PUT", "Patient/changed", patient("other", id="changed")),
        entry("PUT", "Patient/new", patient("2", id="new")),
    )
    assert reply.status == 200, reply.body
    made = ids(reply)
    for observed, expected in ((made[0], made[3]), (made[1], "new")):
        stored = (await client.get(f"Observation/{observed}")).json
        assert stored["subject"]["reference"] == f"Patient/{expected}"


async def test_a_conditional_reference_to_none_or_several_is_412(client: Client) -> None:
    made = entry("POST", "Observation", observation("Patient?identifier=urn:test|1"))
    assert (await client.transaction(made)).status == 412
    await client.post("Patient", patient())
    await client.post("Patient", patient())
    reply = await client.transaction(made)
    assert (reply.status, reply.code) == (412, "multiple-matches")
    assert reply.issue["expression"] == ["Bundle.entry[0].resource"]
    assert await client.count("Observation") == 0


async def test_a_placeholder_that_no_entry_has_is_refused(client: Client) -> None:
    reply = await client.transaction(entry("POST", "Observation", observation(URN)))
    assert (reply.status, reply.issue["expression"]) == (422, ["Bundle.entry[0].resource"])


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (entry("PATCH", "Patient/a", patient(id="a")), "Bundle.entry[0].request"),
        (entry("POST", "Nonsense", patient()), "Bundle.entry[0].request.url"),
        (entry("POST", "Patient/a", patient()), "Bundle.entry[0].request.url"),
        (entry("PUT", "Patient", patient()), "Bundle.entry[0].request.url"),
        (entry("PUT", "Patient/a_b", patient(id="a_b")), "Bundle.entry[0].request.url"),
        (entry("PUT", "Patient/a", patient(id="b")), "Bundle.entry[0].request"),
        (entry("PUT", "Patient/a"), "Bundle.entry[0].resource"),
        (entry("POST", "Patient"), "Bundle.entry[0].resource"),
        (entry("DELETE", "Patient"), "Bundle.entry[0].request.url"),
        (entry("POST", "Task/$claim", {"resourceType": "Parameters"}), None),
        (entry("POST", "Patient", observation("Patient/1")), "Bundle.entry[0].resource"),
        ({"resource": patient()}, "Bundle.entry[0].request"),
        (entry("PUT", "Patient/a", [1]), "Bundle.entry[0].resource"),
        (entry("POST", "Patient", 5), "Bundle.entry[0].resource"),
        (entry("PUT", "Patient/2", {**patient(), "id": 123}), "Bundle.entry[0].request"),
    ],
)
async def test_what_a_transaction_cannot_do_is_refused_by_name(
    client: Client, wrong: dict[str, Any], place: str | None
) -> None:
    reply = await client.transaction(wrong, entry("POST", "Patient", patient()))
    assert 400 <= reply.status < 500
    if place:
        assert reply.issue["expression"] == [place]
    assert await client.count("Patient") == 0


async def test_a_worker_may_not_write_patients_in_a_transaction(client: Client) -> None:
    reply = await client.calling_as(WORKER).transaction(entry("POST", "Patient", patient()))
    assert (reply.status, reply.issue["expression"]) == (403, ["Bundle.entry[0].request"])


async def test_a_transaction_of_nothing_or_of_reads_only_is_answered(client: Client) -> None:
    assert (await client.transaction()).json["type"] == "transaction-response"
    reply = await client.transaction(entry("GET", "Patient/none"))
    assert reply.json["entry"][0]["response"]["status"] == "404 Not Found"


async def test_too_many_entries_are_refused(client: Client) -> None:
    import dataclasses

    options = dataclasses.replace(client.api.options, max_bundle_entries=2)
    small = Client(dataclasses.replace(client.api, options=options))
    reply = await small.post("", bundle("transaction", *[entry("GET", "Patient/1")] * 3))
    assert (reply.status, reply.code) == (403, "too-costly")


async def test_an_update_that_says_nothing_new_makes_no_version_here_either(
    client: Client,
) -> None:
    await client.put("Patient/a", patient(id="a"))
    same = (await client.get("Patient/a")).json
    reply = await client.transaction(
        entry("PUT", "Patient/a", same), entry("POST", "Patient", patient("2"))
    )
    assert reply.json["entry"][0]["response"]["etag"] == 'W/"1"'
    assert (await client.get("Patient/a/_history")).json["total"] == 1


async def test_hundreds_of_links_are_replaced(client: Client) -> None:
    people = [f"urn:uuid:00000000-0000-4000-8000-{n:012d}" for n in range(200)]
    reply = await client.transaction(
        *(entry("POST", "Patient", patient(str(n)), url) for n, url in enumerate(people)),
        *(entry("POST", "Observation", observation(url)) for url in people),
    )
    assert reply.status == 200
    made = ids(reply)
    for n in (0, 1, 99, 199):
        stored = (await client.get(f"Observation/{made[200 + n]}")).json
        assert stored["subject"]["reference"] == f"Patient/{made[n]}"
