"""https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson
import pytest

from tests.fhir_api.client import WORKER, Client, Reply, entry, observation, patient
from tests.fhir_api.tasks.queueing import order

JSON_PATCH = "application/json-patch+json"
ACTIVATE = [{"op": "add", "path": "/active", "value": True}]


async def patch(client: Client, url: str, operations: Any, **headers: str) -> Reply:
    return await client.ask("PATCH", url, operations, content_type=JSON_PATCH, **headers)


def binary(operations: Any) -> dict[str, Any]:
    data = base64.b64encode(orjson.dumps(operations)).decode()
    return {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}


async def test_a_patch_makes_a_version_and_history_says_patch(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await patch(client, "Patient/a", ACTIVATE)
    assert (reply.status, reply.etag, reply.json["active"]) == (200, 'W/"2"', True)
    assert reply.header("location").endswith("/Patient/a/_history/2")
    newest = (await client.get("Patient/a/_history")).json["entry"][0]
    assert newest["request"]["method"] == "PATCH"


async def test_what_a_patch_does_not_touch_keeps_its_text(client: Client) -> None:
    body = (
        b'{"resourceType":"Observation","id":"o","status":"final","code":{"text":"\\u00b5"},'
        b'"valueQuantity":{"value":1.10,"unit":"g"},"component":[{"code":{"text":"c"},'
        b'"valueQuantity":{"value":2.500}}]}'
    )
    await client.put("Observation/o", body)
    replace = [{"op": "replace", "path": "/status", "value": "amended"}]
    stored = (await patch(client, "Observation/o", replace)).body
    for kept in (b'{"value":1.10,"unit":"g"}', b'{"value":2.500}', b'{"text":"\\u00b5"}'):
        assert kept in stored
    assert b'"status":"amended"' in stored


async def test_a_patch_that_changes_nothing_makes_no_version(client: Client) -> None:
    await client.put("Patient/a", patient(id="a", active=True))
    reply = await patch(client, "Patient/a", ACTIVATE)
    assert (reply.status, reply.etag) == (200, 'W/"1"')


async def test_a_patch_with_a_stale_etag_is_412_and_changes_nothing(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.put("Patient/a", patient(id="a", gender="other"))
    assert (await patch(client, "Patient/a", ACTIVATE, if_match='W/"1"')).status == 412
    assert (await client.get("Patient/a")).etag == 'W/"2"'
    assert (await patch(client, "Patient/a", ACTIVATE, if_match='W/"2"')).status == 200


async def test_what_a_patch_makes_has_to_be_valid(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    for operations, status in (
        ([{"op": "add", "path": "/active", "value": "yes"}], 422),
        ([{"op": "add", "path": "/colour", "value": "red"}], 422),
        ([{"op": "replace", "path": "/resourceType", "value": "Group"}], 400),
        ([{"op": "replace", "path": "/id", "value": "b"}], 400),
        ([{"op": "replace", "path": "", "value": 7}], 400),
        ([{"op": "remove", "path": "/none"}], 422),
        ([{"op": "test", "path": "/id", "value": "b"}], 409),
        ([{"op": "spoil", "path": "/id"}], 400),
    ):
        reply = await patch(client, "Patient/a", operations)
        assert reply.status == status, operations
    assert (await client.get("Patient/a")).etag == 'W/"1"'


async def test_the_id_and_version_stay_the_servers(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    remove = [{"op": "remove", "path": "/id"}, {"op": "remove", "path": "/meta"}, *ACTIVATE]
    reply = await patch(client, "Patient/a", remove)
    assert (reply.status, reply.id, reply.json["meta"]["versionId"]) == (200, "a", "2")


async def test_nothing_to_patch_is_404_and_a_deleted_one_410(client: Client) -> None:
    assert (await patch(client, "Patient/a", ACTIVATE)).status == 404
    await client.put("Patient/a", patient(id="a"))
    await client.delete("Patient/a")
    assert (await patch(client, "Patient/a", ACTIVATE)).status == 410


async def test_another_media_type_is_415(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    for content_type in ("application/xml-patch+xml", "application/merge-patch+json", "text/plain"):
        reply = await client.ask("PATCH", "Patient/a", ACTIVATE, content_type=content_type)
        assert (reply.status, reply.code) == (415, "not-supported")
        assert JSON_PATCH in reply.issue["details"]["text"]


async def test_a_conditional_patch_changes_the_one_that_matches(client: Client) -> None:
    """https://hl7.org/fhir/R4/http.html#patch: none 404, several 412"""
    url = "Patient?identifier=urn:test|1"
    assert (await patch(client, url, ACTIVATE)).status == 404
    await client.put("Patient/a", patient(id="a"))
    assert (await patch(client, url, ACTIVATE)).json["active"] is True
    await client.post("Patient", patient())
    reply = await patch(client, url, ACTIVATE)
    assert (reply.status, reply.code) == (412, "multiple-matches")
    assert (await patch(client, "Patient", ACTIVATE)).status == 412


async def test_patches_at_once_all_land(client: Client) -> None:
    """Each is applied to what the one before it made."""
    await client.put("Patient/a", patient(id="a", name=[{"family": "0"}]))
    replies = await asyncio.gather(
        *(
            patch(
                client,
                "Patient/a",
                [{"op": "add", "path": "/name/-", "value": {"family": str(n + 1)}}],
            )
            for n in range(12)
        )
    )
    assert {reply.status for reply in replies} == {200}
    names = (await client.get("Patient/a")).json["name"]
    assert {name["family"] for name in names} == {str(n) for n in range(13)}


FHIRPATH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "add"},
                {"name": "path", "valueString": "Patient"},
                {"name": "name", "valueString": "active"},
                {"name": "value", "valueBoolean": True},
            ],
        }
    ],
}


async def test_a_fhirpath_patch_is_parameters_in_any_fhir_format(client: Client) -> None:
    """https://hl7.org/fhir/R4/fhirpatch.html"""
    await client.put("Patient/a", patient(id="a"))
    reply = await client.ask("PATCH", "Patient/a", FHIRPATH)
    assert (reply.status, reply.etag, reply.json["active"]) == (200, 'W/"2"', True)
    xml = (
        b'<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>'
        b'<part><name value="type"/><valueCode value="delete"/></part>'
        b'<part><name value="path"/><valueString value="Patient.active"/></part>'
        b"</parameter></Parameters>"
    )
    reply = await client.ask("PATCH", "Patient/a", xml, content_type="application/fhir+xml")
    assert (reply.status, reply.etag) == (200, 'W/"3"')
    assert "active" not in reply.json


async def test_wrong_parameters_of_a_fhirpath_patch_are_refused_with_their_place(
    client: Client,
) -> None:
    await client.put("Patient/a", patient(id="a"))
    for body, status in (
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "x", "valueCode": "y"}]}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "operation"}]}, 422),
        ({"resourceType": "Parameters", "parameter": [{"part": []}]}, 422),
    ):
        reply = await client.ask("PATCH", "Patient/a", body)
        assert reply.status == status, reply.body


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_bundle_takes_a_fhirpath_patch_as_it_is(client: Client, kind: str) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await getattr(client, kind)(entry("PATCH", "Patient/a", FHIRPATH))
    assert reply.json["entry"][0]["response"]["status"] == "200 OK"
    assert (await client.get("Patient/a")).json["active"] is True


async def test_a_binary_is_patched_with_its_data(client: Client) -> None:
    made = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "eA=="}
    await client.put("Binary/b", made)
    replace = [{"op": "replace", "path": "/contentType", "value": "text/csv"}]
    assert (await patch(client, "Binary/b", replace)).json["data"] == "eA=="
    reply = await client.get("Binary/b")
    assert (reply.header("content-type"), reply.body) == ("text/csv", b"x")


async def test_a_task_goes_only_where_its_state_allows(client: Client) -> None:
    task = (await client.post("Task", order())).id
    cancel = [{"op": "replace", "path": "/status", "value": "cancelled"}]
    assert (await patch(client, f"Task/{task}", cancel)).json["status"] == "cancelled"
    revive = [{"op": "replace", "path": "/status", "value": "requested"}]
    reply = await patch(client, f"Task/{task}", revive)
    assert (reply.status, reply.code) == (422, "business-rule")


async def test_who_may_not_patch_is_refused(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    worker = client.calling_as(WORKER)
    assert (await patch(worker, "Patient/a", ACTIVATE)).status == 403
    assert (await patch(worker, "Patient?identifier=urn:test|1", ACTIVATE)).status == 403
    for kind in ("batch", "transaction"):
        reply = await getattr(worker, kind)(entry("PATCH", "Patient/a", binary(ACTIVATE)))
        refused = reply.json["entry"][0]["response"] if kind == "batch" else {"status": "403"}
        assert refused["status"].startswith("403")
    assert (await client.get("Patient/a")).etag == 'W/"1"'


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_bundle_patches_by_url_and_by_condition(client: Client, kind: str) -> None:
    """A Binary holds the patch in base64."""
    await client.put("Patient/a", patient(id="a"))
    await client.put("Patient/b", patient("2", id="b"))
    reply = await getattr(client, kind)(
        entry("PATCH", "Patient/a", binary(ACTIVATE), ifMatch='W/"1"'),
        entry("PATCH", "Patient?identifier=urn:test|2", binary(ACTIVATE)),
    )
    assert [one["response"]["status"] for one in reply.json["entry"]] == ["200 OK"] * 2
    for id in ("a", "b"):
        assert (await client.get(f"Patient/{id}")).json["active"] is True


async def test_a_patch_that_fails_undoes_its_transaction(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    for wrong, status in (
        (entry("PATCH", "Patient/a", binary([{"op": "remove", "path": "/none"}])), 422),
        (entry("PATCH", "Patient/none", binary(ACTIVATE)), 404),
        (entry("PATCH", "Patient/a", binary(ACTIVATE), ifMatch='W/"7"'), 412),
        (entry("PATCH", "Patient/a", patient()), 400),
        (entry("PATCH", "Patient/a", {**binary(ACTIVATE), "data": "?"}), 400),
        (entry("PATCH", "Patient/a", {**binary(ACTIVATE), "contentType": "text/plain"}), 415),
    ):
        valid = {"resourceType": "Group", "type": "person", "actual": True}
        reply = await client.transaction(entry("POST", "Group", valid), wrong)
        assert reply.status == status, reply.body
        assert reply.issue["expression"][0].startswith("Bundle.entry[1]")
    assert await client.count("Group") == 0
    assert (await client.get("Patient/a")).etag == 'W/"1"'


async def test_a_patch_in_a_transaction_can_name_what_it_creates(client: Client) -> None:
    """https://hl7.org/fhir/R4/http.html#trules: links, and a stored reference that looks like one stays."""
    urn = "urn:uuid:5c1e2d8e-1c6b-4c1f-9a53-0d2c37a8e9aa"
    await client.put("Patient/old", patient(id="old"))
    await client.put("Observation/o", observation("Patient/old", id="o"))
    point = [{"op": "add", "path": "/performer", "value": [{"reference": urn}]}]
    reply = await client.transaction(
        entry("POST", "Patient", patient("new"), urn),
        entry("POST", "Patient", patient("other"), "http://elsewhere.test/Patient/old"),
        entry("PATCH", "Observation/o", binary(point)),
    )
    assert reply.status == 200, reply.body
    made = reply.json["entry"][0]["response"]["location"].partition("/_history")[0]
    stored = (await client.get("Observation/o")).json
    assert stored["performer"] == [{"reference": made}]
    assert stored["subject"] == {"reference": "Patient/old"}


async def test_one_resource_patched_twice_in_a_transaction_is_refused(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.transaction(
        entry("PATCH", "Patient/a", binary(ACTIVATE)),
        entry("PATCH", "Patient?identifier=urn:test|1", binary(ACTIVATE)),
    )
    assert (reply.status, reply.issue["expression"]) == (400, ["Bundle.entry[1].request"])
