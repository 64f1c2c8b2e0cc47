"""https://hl7.org/fhir/R4/http.html#mime-type and #parameters"""

import pytest

from fhir_api.negotiation import accepted
from tests.fhir_api.client import Client, patient


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("", 200, "application/fhir+json"),
        ("*/*", 200, "application/fhir+json"),
        ("application/*", 200, "application/fhir+json"),
        ("application/fhir+json", 200, "application/fhir+json"),
        ("application/fhir+json; fhirVersion=4.0", 200, "application/fhir+json"),
        ("application/json", 200, "application/json"),
        ("text/json", 200, "text/json"),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            200,
            "text/html",
        ),
        ("text/*", 200, "text/json"),
        ("application/json, text/plain, */*", 200, "application/json"),
        ("application/json+fhir", 200, "application/fhir+json"),
        ("application/fhir+xml", 200, "application/fhir+xml"),
        ("application/xml", 200, "application/xml"),
        ("application/fhir+xml, application/fhir+json", 200, "application/fhir+xml"),
        ("application/fhir+json, application/fhir+xml", 200, "application/fhir+json"),
        ("application/fhir+xml;q=0.2, application/fhir+json", 200, "application/fhir+json"),
        ("*/*, application/fhir+json;q=0", 200, "application/json"),
        ("application/fhir+xml; fhirVersion=4.0.1", 200, "application/fhir+xml"),
        ("application/fhir+json; fhirVersion=3.0, text/html", 200, "text/html"),
        ("application/fhir+json; fhirVersion=3.0", 406, "application/fhir+json"),
        ("image/png", 406, "application/fhir+json"),
        ("application/fhir+json;q=0", 406, "application/fhir+json"),
        ("application/fhir+json;q=lots", 406, "application/fhir+json"),
        ("x/y, " * 500, 406, "application/fhir+json"),
    ],
)
async def test_accept_chooses_the_format(
    client: Client, accept: str, status: int, content_type: str
) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.get("Patient/a", accept=accept)
    assert reply.status == status
    assert reply.header("content-type") == f"{content_type}; charset=utf-8"


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ("json", 200),
        ("application/fhir+json", 200),
        ("application/fhir%2Bjson", 200),
        ("application/json", 200),
        ("text/json", 200),
        ("xml", 200),
        ("application/fhir%2Bxml", 200),
        ("application/fhir+xml", 200),
        ("html", 200),
        ("text/html", 200),
        ("application/fhir%2Bjson;fhirVersion=4.0", 200),
        ("application/fhir%2Bjson;fhirVersion=1.0", 406),
        ("turtle", 406),
    ],
)
async def test_format_wins_over_accept(client: Client, wanted: str, status: int) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.get(f"Patient/a?_format={wanted}", accept="image/png")
    assert reply.status == status


async def test_pretty_indents_and_keeps_decimals(client: Client) -> None:
    body = (
        b'{"resourceType":"Observation","id":"a","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.10}}'
    )
    await client.put("Observation/a", body)
    reply = await client.get("Observation/a?_pretty=true")
    assert b'\n  "valueQuantity": {\n    "value": 1.10\n' in reply.body
    assert (await client.get("Observation/a?_pretty=false")).body.count(b"\n") == 0


def test_media_ranges_come_best_first() -> None:
    assert accepted("a/b;q=0.5, c/d, e/f;q=0, g/h;q=0.9, i/j;q=x") == ("c/d", "g/h", "a/b")


async def test_the_form_of_a_search_may_choose_the_format(client: Client) -> None:
    """https://hl7.org/fhir/R4/http.html#search"""
    form = {"content_type": "application/x-www-form-urlencoded"}
    await client.put("Patient/a", patient(id="a"))
    found = await client.post("Patient/_search", b"_id=a&_format=xml&_pretty=true", **form)
    assert found.header("content-type") == "application/fhir+xml; charset=utf-8"
    assert b'<total value="1"/>' in found.body
    assert (await client.post("Patient/_search", b"_format=ttl", **form)).status == 406
