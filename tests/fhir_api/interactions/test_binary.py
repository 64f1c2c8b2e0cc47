"""https://hl7.org/fhir/R4/binary.html"""

import base64
import dataclasses
import json

import pytest

from tests.fhir_api.client import Client

PNG = b"\x89PNG\r\n\x1a\n\x00rest"


async def test_a_raw_upload_comes_back_as_it_was(client: Client) -> None:
    created = await client.post("Binary", PNG, content_type="image/png")
    assert created.status == 201
    reply = await client.get(f"Binary/{created.id}")
    assert (reply.status, reply.body) == (200, PNG)
    assert reply.header("content-type") == "image/png"
    assert reply.etag == 'W/"1"'
    assert reply.header("content-security-policy").startswith("sandbox")


async def test_a_binary_is_json_for_those_who_ask_by_name(client: Client) -> None:
    id = (await client.post("Binary", PNG, content_type="image/png")).id
    for asked in (
        await client.get(f"Binary/{id}", accept="application/fhir+json"),
        await client.get(f"Binary/{id}?_format=json"),
        await client.get(f"Binary/{id}", accept="application/json"),
    ):
        assert asked.json["contentType"] == "image/png"
        assert base64.b64decode(asked.json["data"]) == PNG
    for accept in ("*/*", "image/*", "image/png, application/fhir+json;q=0.5"):
        assert (await client.get(f"Binary/{id}", accept=accept)).body == PNG


async def test_a_binary_in_json_keeps_its_members_and_serves_its_bytes(client: Client) -> None:
    sent = {
        "resourceType": "Binary",
        "contentType": "text/plain",
        "securityContext": {"reference": "Patient/1"},
        "data": base64.b64encode(b"hello").decode(),
    }
    created = await client.post("Binary", sent)
    assert {**created.json, "id": 0, "meta": 0} == {**sent, "id": 0, "meta": 0}
    raw = await client.get(f"Binary/{created.id}")
    assert (raw.body, raw.header("content-type")) == (b"hello", "text/plain")
    assert raw.header("x-security-context") == "Patient/1"


async def test_base64_with_line_breaks_comes_back_as_it_was_sent(client: Client) -> None:
    data = "aGVs\nbG8h"
    sent = {"resourceType": "Binary", "contentType": "text/plain", "data": data}
    created = await client.post("Binary", sent)
    assert created.status == 201
    assert created.json["data"] == data
    assert (await client.get(f"Binary/{created.id}")).body == b"hello!"


async def test_what_is_no_base64_is_422(client: Client) -> None:
    for data in ("====", "a", "äöü"):
        sent = {"resourceType": "Binary", "contentType": "text/plain", "data": data}
        assert (await client.post("Binary", sent)).status == 422, data


async def test_a_security_context_of_an_upload_is_kept(client: Client) -> None:
    created = await client.post(
        "Binary", PNG, content_type="image/png", x_security_context="Patient/7"
    )
    assert created.json["securityContext"] == {"reference": "Patient/7"}


async def test_update_version_history_and_search_of_a_binary(client: Client) -> None:
    assert (await client.put("Binary/a", b"one", content_type="text/plain")).status == 201
    assert (await client.put("Binary/a", b"two", content_type="text/html")).status == 200
    assert (await client.get("Binary/a/_history/1")).body == b"one"
    assert (await client.get("Binary/a")).body == b"two"
    history = (await client.get("Binary/a/_history")).json
    data = [base64.b64decode(entry["resource"]["data"]) for entry in history["entry"]]
    assert data == [b"two", b"one"]
    found = (await client.get("Binary?_id=a")).json["entry"][0]["resource"]
    assert base64.b64decode(found["data"]) == b"two"
    stale = await client.put("Binary/a", b"x", content_type="text/plain", if_match='W/"1"')
    assert stale.status == 412


async def test_not_modified_holds_for_a_binary(client: Client) -> None:
    id = (await client.post("Binary", PNG, content_type="image/png")).id
    assert (await client.get(f"Binary/{id}", if_none_match='W/"1"')).status == 304


async def test_a_large_binary_is_streamed_and_too_large_for_json(client: Client) -> None:
    options = dataclasses.replace(
        client.api.options, stream_from_bytes=1000, max_body_bytes=5000, max_binary_bytes=9000
    )
    client = Client(dataclasses.replace(client.api, options=options))
    big = bytes(range(256)) * 30
    id = (
        (await client.post("Binary", big, content_type="a/b", prefer="return=minimal"))
        .header("location")
        .split("/")[-3]
    )
    reply = await client.get(f"Binary/{id}")
    assert reply.response.length == len(big)
    assert reply.response.stream is not None
    assert b"".join([chunk async for chunk in reply.response.stream]) == big
    again = await client.post("Binary", big, content_type="a/b")
    assert (again.status, "data" in again.json) == (201, False)
    refused = await client.get(f"Binary/{id}", accept="application/fhir+json")
    assert (refused.status, refused.code) == (403, "too-costly")
    assert "data" not in (await client.get("Binary/_history")).json["entry"][0]["resource"]


async def test_an_upload_that_is_empty_is_refused(client: Client) -> None:
    assert (await client.post("Binary", b"", content_type="image/png")).status == 400


async def test_a_binary_in_fhir_xml_is_a_resource_and_other_xml_is_a_payload(
    client: Client,
) -> None:
    resource = (
        b'<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/>'
        b'<data value="aGVsbG8="/></Binary>'
    )
    made = await client.post("Binary", resource, content_type="application/fhir+xml")
    assert (await client.get(f"Binary/{made.id}")).body == b"hello"
    as_xml = await client.get(f"Binary/{made.id}", accept="application/fhir+xml")
    assert b'<data value="aGVsbG8="/>' in as_xml.body
    document = b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>"
    made = await client.post("Binary", document, content_type="text/xml")
    for accept in ("text/xml", "*/*", "text/html,application/xml;q=0.9,*/*;q=0.8"):
        assert (await client.get(f"Binary/{made.id}", accept=accept)).body == document


async def test_a_media_type_that_is_none_is_refused(client: Client) -> None:
    reply = await client.post("Binary", b"x", content_type="text/plain\r\nSet-Cookie: a=b")
    assert reply.status in {400, 415, 422}


@pytest.mark.parametrize(
    "data", ['"aGVsbG8h"', '"aGVs\\nbG8h"', '"aGVsbG8\\u0068"', '"aGVsbG8="', '"AA=="']
)
async def test_in_a_transaction_data_come_back_as_they_were_sent(client: Client, data: str) -> None:
    """https://hl7.org/fhir/R4/binary.html; the text of ``data`` and its place among the members stay."""
    resource = f'{{"resourceType":"Binary","data":{data},"contentType":"text/plain"}}'
    request = '{"method":"PUT","url":"Binary/a"}'
    bundle = (
        '{"resourceType":"Bundle","type":"transaction",'
        f'"entry":[{{"resource":{resource.replace("}", ",")}"id":"a"}},"request":{request}}}]}}'
    )
    assert (await client.post("", bundle.encode())).status == 200
    stored = await client.get("Binary/a", accept="application/fhir+json")
    assert stored.json["data"] == json.loads(data)
    assert [name for name in stored.json if name != "meta"] == [
        *("resourceType", "data", "contentType", "id")
    ]
    assert (await client.get("Binary/a")).body == base64.b64decode(json.loads(data))


@pytest.mark.parametrize("data", ['"???"', "5", '["aGVsbG8h"]', '""', "null"])
async def test_in_a_transaction_what_is_no_base64_is_refused(client: Client, data: str) -> None:
    bundle = (
        '{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Binary",'
        f'"contentType":"text/plain","data":{data}}},"request":{{"method":"POST","url":"Binary"}}}}]}}'
    )
    assert (await client.post("", bundle.encode())).status in {400, 422}
