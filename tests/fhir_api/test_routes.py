"""The URLs of https://hl7.org/fhir/R4/http.html#summary; every refusal is an OperationOutcome."""

import dataclasses
from typing import Any

import pytest
import structlog

from fhir_api.http import Request
from fhir_api.routes import handle
from store.errors import StoreUnavailable
from tests.fhir_api.client import BASE, OPERATOR, WORKER, Caller, Client, observation, patient


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("POST", "Patient/a", {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
        ("TRACE", "Patient", {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}),
        ("DELETE", "Patient/a/_history/1", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "Patient/_history", {"GET", "HEAD", "OPTIONS"}),
        ("PUT", "metadata", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("GET", "_search", {"POST", "OPTIONS"}),
        ("POST", "Patient/a/Observation", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "Patient/_search", {"POST", "OPTIONS"}),
        ("TRACE", "Patient/a", {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
async def test_a_method_that_a_url_does_not_take_is_405_with_allow(
    client: Client, method: str, url: str, allowed: set[str]
) -> None:
    reply = await client.ask(method, url)
    assert (reply.status, reply.code) == (405, "not-supported")
    assert set(reply.header("allow").split(", ")) == allowed
    options = await client.ask("OPTIONS", url)
    assert (options.status, options.header("allow")) == (204, reply.header("allow"))


@pytest.mark.parametrize(
    "url",
    [
        "Nonsense",
        "patient/1",
        "Patient/1/Medication",
        "Observation/1/Patient",
        "Patient/1/Nonsense",
        "Patient/1/Observation/2",
        "Organization/1/*",
        "Patient/1/$nothing",
        "Patient/$nothing",
        "$nothing",
        "_nothing",
        "Patient/_nothing",
        "Resource/1",
        "DomainResource",
        "Patient/1/_history/1/2",
        "dicom:instance/1",
        "Patient//_history/1/x",
    ],
)
async def test_what_is_nowhere_is_404(client: Client, url: str) -> None:
    assert (await client.get(url)).status == 404


async def test_who_has_no_role_may_nothing(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    stranger = client.calling_as(Caller("x", frozenset()))
    for reply in (
        await stranger.get("Patient/a"),
        await stranger.get("Patient/a/_history/1"),
        await stranger.get("Patient/a/_history"),
        await stranger.get("_history"),
        await stranger.get("Patient"),
        await stranger.get(""),
        await stranger.get("?_type=Patient"),
        await stranger.get("Patient/a/Observation"),
        await stranger.get("Patient/a/*"),
        await stranger.post("Patient", patient()),
        await stranger.put("Patient/a", patient(id="a")),
        await stranger.put("Patient?identifier=urn:test|1", patient()),
        await stranger.delete("Patient/a"),
        await stranger.delete("Patient?identifier=urn:test|1"),
        await stranger.transaction(),
        await stranger.batch(),
        await stranger.post("Binary", b"x", content_type="image/png"),
    ):
        assert (reply.status, reply.code) == (403, "forbidden")
    assert (await stranger.get("metadata")).status == 200
    assert (await client.get("_history")).json["total"] == 1


async def test_a_worker_reads_everything_and_writes_results(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    worker = client.calling_as(WORKER)
    assert (await worker.get("Patient/a")).status == 200
    assert (await worker.post("Observation", observation("Patient/a"))).status == 201
    assert (await worker.post("Patient", patient())).status == 403
    assert (await worker.delete("Patient/a")).status == 403


async def test_a_store_that_cannot_is_503_with_retry_after(client: Client) -> None:
    class Full:
        async def read(self, type: str, id: str) -> None:
            raise StoreUnavailable("/secret/path: no space left")

    broken = Client(dataclasses.replace(client.api, store=Full()))  # type: ignore[arg-type]
    reply = await broken.get("Patient/a")
    assert (reply.status, reply.code) == (503, "transient")
    assert reply.header("retry-after")
    assert b"secret" not in reply.body


async def test_an_unexpected_error_is_500_and_tells_nothing(client: Client) -> None:
    class Broken:
        async def read(self, type: str, id: str) -> None:
            raise RuntimeError("Anna Tester, born 1974")

    api = dataclasses.replace(client.api, store=Broken())  # type: ignore[arg-type]
    request = Request("GET", ("Patient", "a"), "", {}, b"", OPERATOR, BASE, "req-7")
    with structlog.testing.capture_logs() as logs:
        response = await handle(api, request)
    assert response.status == 500
    assert b'"exception"' in response.body
    assert b"req-7" in response.body
    assert b"Anna" not in response.body
    (entry,) = logs
    assert (entry["event"], entry["error"], entry["request_id"]) == (
        "fhir.unexpected_error",
        "RuntimeError",
        "req-7",
    )
    assert "Anna" not in str(entry)


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []


async def test_no_refusal_repeats_what_the_client_sent(client: Client) -> None:
    secret = "Tester1974"
    sent = patient(
        gender=secret, birthDate=secret, colour=secret, name=secret, managingOrganization=7
    )
    replies = [
        await client.post("Patient", sent),
        await client.transaction(
            {"request": {"method": "POST", "url": "Patient"}, "resource": sent}
        ),
        await client.post("Patient", b'{"resourceType":"Patient","name":Tester1974}'),
        await client.get(f"Patient?birthdate={secret}"),
        await client.get(f"Patient/x/_history?_since={secret}"),
    ]
    for reply in replies:
        assert 400 <= reply.status < 500
        assert not any(secret in text for text in _strings(reply.json)), reply.body
