"""Every interaction speaks XML as it speaks JSON (https://hl7.org/fhir/R4/http.html#mime-type)."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import orjson

from fhir_api.formats.xml_reader import json_of
from tests.fhir_api.client import WORKER, Client, Reply, entry, observation, patient

XML = "application/fhir+xml"
PATIENT = (
    b'<Patient xmlns="http://hl7.org/fhir"><id value="a"/><identifier><system value="urn:test"/>'
    b'<value value="1"/></identifier><multipleBirthInteger value="2"/></Patient>'
)


async def ask(
    client: Client, method: str, url: str, body: bytes | None = None, **headers: str
) -> Reply:
    return await client.ask(method, url, body, content_type=XML, accept=XML, **headers)


def tree(reply: Reply) -> Any:
    assert reply.header("content-type") == "application/fhir+xml; charset=utf-8"
    return orjson.loads(json_of(reply.body, 64))


async def test_a_resource_is_written_and_read_in_xml(client: Client) -> None:
    updated = await ask(client, "PUT", "Patient/a", PATIENT)
    assert (updated.status, tree(updated)["multipleBirthInteger"]) == (201, 2)
    assert (await client.get("Patient/a")).json["multipleBirthInteger"] == 2
    read = await ask(client, "GET", "Patient/a")
    assert (read.etag, tree(read)) == (updated.etag, (await client.get("Patient/a")).json)
    assert (await ask(client, "GET", "Patient/a/_history/1")).body == read.body
    created = await ask(client, "POST", "Patient", PATIENT)
    assert (created.status, tree(created)["id"] != "a") == (201, True)


async def test_the_decimal_of_an_observation_is_the_same_text_in_both_formats(
    client: Client,
) -> None:
    body = (
        b'<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><text value="x"/></code>'
        b'<valueQuantity><value value="1.10"/></valueQuantity></Observation>'
    )
    id = tree(await ask(client, "POST", "Observation", body))["id"]
    assert b'"value":1.10' in (await client.get(f"Observation/{id}")).body
    assert b'<value value="1.10"/>' in (await ask(client, "GET", f"Observation/{id}")).body
    assert (await client.get("Observation?value-quantity=1.10")).json["total"] == 1


async def test_searches_and_histories_are_bundles_in_xml(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    found = tree(await ask(client, "GET", "Patient?identifier=urn:test|1"))
    assert [one["resource"]["id"] for one in found["entry"]] == ["a"]
    assert found["total"] == 1
    history = tree(await ask(client, "GET", "Patient/a/_history"))
    assert history["entry"][0]["response"]["etag"] == 'W/"1"'
    assert tree(await ask(client, "GET", "metadata"))["resourceType"] == "CapabilityStatement"


async def test_a_transaction_in_xml_is_answered_in_xml(client: Client) -> None:
    body = (
        b'<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><entry>'
        b'<fullUrl value="urn:uuid:8ba1e5a0-5a5a-4a5a-9a5a-5a5a5a5a5a5a"/><resource>'
        + PATIENT.replace(b' xmlns="http://hl7.org/fhir"', b"")
        + b'</resource><request><method value="PUT"/><url value="Patient/a"/></request></entry>'
        b'<entry><resource><Observation><status value="final"/><code><text value="x"/></code><subject>'
        b'<reference value="urn:uuid:8ba1e5a0-5a5a-4a5a-9a5a-5a5a5a5a5a5a"/></subject></Observation></resource>'
        b'<request><method value="POST"/><url value="Observation"/></request></entry></Bundle>'
    )
    answer = tree(await ask(client, "POST", "", body))
    assert [one["response"]["status"] for one in answer["entry"]] == ["201 Created", "201 Created"]
    assert (await client.get("Observation?subject=Patient/a")).json["total"] == 1


async def test_an_entry_of_a_batch_cannot_choose_a_format_of_its_own(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    for wish in ("xml", "html", "nonsense"):
        answer = (await client.batch(entry("GET", f"Patient/a?_format={wish}&_pretty=true"))).json
        assert answer["entry"][0]["resource"]["id"] == "a"


async def test_an_operation_takes_and_gives_parameters_in_xml(client: Client) -> None:
    body = (
        b'<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="worker"/><valueString value="w"/>'
        b'</parameter><parameter><name value="nonsense"/><valueString value="w"/></parameter></Parameters>'
    )
    refused = await ask(client.calling_as(WORKER), "POST", "Task/$claim", body)
    assert (refused.status, tree(refused)["issue"][0]["expression"]) == (
        400,
        ["Parameters.parameter[1].name"],
    )


async def test_refusals_are_outcomes_in_xml_with_the_same_places_as_in_json(client: Client) -> None:
    bad = PATIENT.replace(b'value="2"', b'value="2"').replace(
        b"</Patient>", b'<link><other><reference value="Group/x"/></other></link></Patient>'
    )
    in_xml = tree(await ask(client, "PUT", "Patient/a", bad))
    in_json = (await client.put("Patient/a", json_of(bad, 64))).json
    assert in_xml["issue"] == in_json["issue"]
    assert any("Patient.link[0].type" in one.get("expression", ()) for one in in_xml["issue"])
    gone = await ask(client, "GET", "Patient/nobody")
    assert (gone.status, tree(gone)["issue"][0]["code"]) == (404, "not-found")
    unknown = tree(await ask(client, "POST", "Patient", PATIENT.replace(b"</P", b"<nick/></P")))
    assert unknown["issue"][0]["expression"] == ["Patient.nick"]


async def test_a_part_of_a_resource_is_cut_in_xml_too(client: Client) -> None:
    await client.put("Patient/a", patient(id="a", gender="male"))
    summary = tree(await ask(client, "GET", "Patient/a?_elements=gender"))
    assert summary["gender"] == "male"
    assert "identifier" not in summary


async def test_pretty_xml_is_indented(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.get("Patient/a?_format=xml&_pretty=true")
    assert b'\n  <id value="a"/>' in reply.body
    assert ET.fromstring(reply.body).tag == "{http://hl7.org/fhir}Patient"


async def test_a_resource_that_xml_cannot_hold_is_served_as_json_only(client: Client) -> None:
    """U+FFFF may stand in a string of R4, but in no XML (https://www.w3.org/TR/xml/#charsets)."""
    sent = observation("Patient/a", note=[{"text": "a\uffffb"}], id="a")
    assert (await client.put("Observation/a", sent)).status == 201
    assert (await client.get("Observation/a", accept=XML)).status == 406
    assert (await client.get("Observation/a")).json["note"] == [{"text": "a\uffffb"}]
