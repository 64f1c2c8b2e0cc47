"""https://hl7.org/fhir/R4/resource-operation-meta.html, -meta-add.html and -meta-delete.html"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.fhir_api.client import WORKER, Client, Reply, entry, observation, patient
from tests.fhir_api.tasks.queueing import claimed, order, parameters, say

RED = {"system": "urn:tags", "code": "red", "display": "Red"}
BLUE = {"system": "urn:tags", "code": "blue"}
SECRET = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
PROFILE = "http://example.org/StructureDefinition/own"


def given(**meta: Any) -> dict[str, Any]:
    return parameters({"name": "meta", "valueMeta": meta})


def returned(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    items = reply.json.get("parameter", [])
    return items[0]["valueMeta"] if items else {}


@pytest.fixture
async def tagged(client: Client) -> str:
    meta = {"tag": [RED], "security": [SECRET]}
    await client.put("Patient/a", patient(id="a", meta=meta))
    return "Patient/a"


async def test_meta_of_a_resource_and_of_a_version(client: Client, tagged: str) -> None:
    await client.put(tagged, patient(id="a", meta={"tag": [BLUE]}))
    for reply in (await client.get(f"{tagged}/$meta"), await client.post(f"{tagged}/$meta", None)):
        assert returned(reply)["tag"] == [BLUE]
        assert reply.etag == 'W/"2"'
    first = returned(await client.get(f"{tagged}/_history/1/$meta"))
    assert (first["tag"], first["security"], first["versionId"]) == ([RED], [SECRET], "1")


async def test_meta_of_a_type_and_of_the_system_is_every_label_once(
    client: Client, tagged: str
) -> None:
    await client.put("Patient/b", patient(id="b", meta={"tag": [BLUE, {"code": "plain"}, RED]}))
    await client.post("Observation", observation(tagged, meta={"profile": [PROFILE]}))
    await client.put("Patient/c", patient(id="c", meta={"tag": [{"code": "gone"}]}))
    await client.delete("Patient/c")
    of_type = returned(await client.get("Patient/$meta"))
    assert sorted(tag["code"] for tag in of_type["tag"]) == ["blue", "plain", "red"]
    assert of_type["security"] == [SECRET]
    assert "profile" not in of_type
    everything = returned(await client.get("$meta"))
    assert (everything["profile"], everything["tag"]) == ([PROFILE], of_type["tag"])
    assert returned(await client.get("Group/$meta")) == {}


async def test_adding_is_a_union_by_system_and_code(client: Client, tagged: str) -> None:
    renamed = {**RED, "display": "Crimson"}
    reply = await client.post(
        f"{tagged}/$meta-add",
        given(tag=[renamed, BLUE, BLUE], profile=[PROFILE], versionId="9"),
    )
    now = returned(reply)
    assert (now["tag"], now["security"], now["versionId"]) == ([RED, BLUE], [SECRET], "2")
    assert now["profile"] == [PROFILE]
    stored = await client.get(tagged)
    assert (stored.json["meta"], stored.etag) == (now, 'W/"2"')
    assert (await client.get("Patient?_tag=urn:tags|blue")).json["total"] == 1


async def test_deleting_takes_away_what_is_there(client: Client, tagged: str) -> None:
    gone = given(tag=[{"system": "urn:tags", "code": "red"}, BLUE], security=[{"code": "R"}])
    now = returned(await client.post(f"{tagged}/$meta-delete", gone))
    assert "tag" not in now
    assert now["security"] == [SECRET]
    assert (await client.get("Patient?_tag=urn:tags|red")).json["total"] == 0


@pytest.mark.parametrize(
    ("name", "meta"), [("meta-add", {"tag": [RED]}), ("meta-delete", {"tag": [BLUE]})]
)
async def test_what_changes_nothing_makes_no_version(
    client: Client, tagged: str, name: str, meta: dict[str, Any]
) -> None:
    reply = await client.post(f"{tagged}/${name}", given(**meta))
    assert (returned(reply)["versionId"], reply.etag) == ("1", 'W/"1"')


async def test_the_rest_of_the_resource_keeps_its_text(client: Client) -> None:
    body = (
        b'{"resourceType":"Observation","id":"o","meta":{"tag":[{"code":"a","display":"\\u00e9"}]},'
        b'"status":"final","code":{"text":"c"},"valueQuantity":{"value":1.10}}'
    )
    await client.put("Observation/o", body)
    new = (
        b'{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{'
        b'"extension":[{"url":"urn:x","valueDecimal":2.50}],"code":"b"}]}}]}'
    )
    await client.post("Observation/o/$meta-add", new)
    stored = (await client.get("Observation/o")).body
    for kept in (b'{"code":"a","display":"\\u00e9"}', b'"valueDecimal":2.50', b'"value":1.10}'):
        assert kept in stored


async def test_a_stale_etag_is_412(client: Client, tagged: str) -> None:
    reply = await client.post(f"{tagged}/$meta-add", given(tag=[BLUE]), if_match='W/"7"')
    assert reply.status == 412


async def test_a_server_that_wants_if_match_wants_it_here_too(client: Client, tagged: str) -> None:
    """RFC 6585 §3"""
    strict = Client(replace(client.api, options=replace(client.api.options, require_if_match=True)))
    assert (await strict.post(f"{tagged}/$meta-add", given(tag=[BLUE]))).status == 428
    reply = await strict.post(f"{tagged}/$meta-add", given(tag=[BLUE]), if_match='W/"1"')
    assert returned(reply)["versionId"] == "2"


async def test_a_binary_keeps_its_bytes(client: Client) -> None:
    made = await client.post("Binary", b"bytes", content_type="image/png")
    url = (made.header("location") or "").removeprefix("http://fhir.test/fhir/").split("/_")[0]
    assert returned(await client.post(f"{url}/$meta-add", given(tag=[RED])))["tag"] == [RED]
    reply = await client.get(url)
    assert (reply.body, reply.header("content-type")) == (b"bytes", "image/png")


async def test_a_label_does_not_take_a_task_from_its_worker(client: Client) -> None:
    task = (await client.post("Task", order())).id
    assert await claimed(client) == [task]
    returned(await client.post(f"Task/{task}/$meta-add", given(tag=[RED])))
    assert (await say(client, task, "heartbeat"))["held"]


async def test_what_is_not_there_is_404_and_a_deleted_one_410(client: Client, tagged: str) -> None:
    for url in ("Patient/none/$meta", "Patient/a/_history/9/$meta", "Patient/a/_history/x/$meta"):
        assert (await client.get(url)).status == 404
    assert (await client.post("Patient/none/$meta-add", given(tag=[RED]))).status == 404
    await client.delete(tagged)
    assert (await client.get(f"{tagged}/$meta")).status == 410
    assert (await client.post(f"{tagged}/$meta-add", given(tag=[RED]))).status == 410


@pytest.mark.parametrize(
    "body",
    [
        parameters({"name": "meta", "valueString": "x"}),
        {"resourceType": "Parameters"},
        given(tag="red"),
        given(colour="red"),
        parameters({"name": "meta", "valueMeta": {"tag": [RED]}}, {"name": "x", "valueCode": "y"}),
    ],
)
async def test_wrong_parameters_are_refused(client: Client, tagged: str, body: Any) -> None:
    reply = await client.post(f"{tagged}/$meta-add", body)
    assert reply.status in {400, 422}
    assert reply.issue["expression"][0].startswith("Parameters")


async def test_changing_labels_needs_the_right_to_update(client: Client, tagged: str) -> None:
    worker = client.calling_as(WORKER)
    assert (await worker.get(f"{tagged}/$meta")).status == 200
    assert (await worker.post(f"{tagged}/$meta-add", given(tag=[RED]))).status == 403
    assert (await client.get(f"{tagged}/$meta-add")).status == 405


async def test_a_batch_may_ask_for_meta(client: Client, tagged: str) -> None:
    reply = await client.batch(entry("GET", f"{tagged}/$meta"))
    resource = reply.json["entry"][0]["resource"]
    assert resource["parameter"][0]["valueMeta"]["tag"] == [RED]
