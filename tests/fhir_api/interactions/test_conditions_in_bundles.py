"""Conditional interactions as entries of a batch or transaction: the same outcomes as alone.

https://hl7.org/fhir/R4/http.html#trules and #ccreate, #cond-update, #cdelete, #patch
"""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from tests.fhir_api.client import Client, Reply, entry, patient

ONE = "Patient?identifier=urn:test|1"
ACTIVATE = [{"op": "add", "path": "/active", "value": True}]
PATCH = {
    "resourceType": "Binary",
    "contentType": "application/json-patch+json",
    "data": base64.b64encode(orjson.dumps(ACTIVATE)).decode(),
}
CREATE = entry("POST", "Patient", patient(), ifNoneExist="identifier=urn:test|1")


def status(reply: Reply) -> int:
    """Of the one entry; of the whole where it was refused."""
    if reply.status != 200:
        return reply.status
    return int(reply.json["entry"][0]["response"]["status"][:3])


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize(
    ("asked", "none", "one", "several"),
    [
        (CREATE, 201, 200, 412),
        (entry("PUT", ONE, patient(active=True)), 201, 200, 412),
        (entry("PATCH", ONE, PATCH), 404, 200, 412),
        (entry("DELETE", ONE), 204, 204, 412),
    ],
)
async def test_a_condition_is_met_by_none_one_or_several(
    client: Client, kind: str, asked: dict[str, Any], none: int, one: int, several: int
) -> None:
    send = getattr(client, kind)
    assert status(await send(asked)) == none
    for stored in (await client.get("Patient")).json.get("entry", []):
        await client.delete(f"Patient/{stored['resource']['id']}")
    await client.post("Patient", patient())
    assert status(await send(asked)) == one
    while await client.count("Patient") < 2:
        await client.post("Patient", patient())
    reply = await send(asked)
    assert status(reply) == several
    assert await client.count("Patient") == 2


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (entry("PUT", "Patient/a", patient(id="a"), ifMatch='W/"1"'), 412),
        (entry("PUT", "Patient/a", patient(id="a", active=True), ifMatch='W/"2"'), 200),
        (entry("PUT", "Patient/a", patient(id="a"), ifNoneMatch="*"), 412),
        (entry("PUT", "Patient/new", patient(id="new"), ifNoneMatch="*"), 201),
        (entry("PUT", "Patient/new", patient(id="new"), ifMatch='W/"1"'), 412),
        (entry("PUT", ONE, patient(active=True), ifMatch='W/"1"'), 412),
        (entry("PATCH", "Patient/a", PATCH, ifMatch='W/"1"'), 412),
        (entry("PATCH", ONE, PATCH, ifMatch='W/"2"'), 200),
        (entry("DELETE", "Patient/a", ifMatch='W/"1"'), 412),
        (entry("DELETE", ONE, ifMatch='W/"2"'), 204),
        (entry("GET", "Patient/a", ifNoneMatch='W/"2"'), 304),
        (entry("GET", "Patient/a", ifNoneMatch='W/"1"'), 200),
    ],
)
async def test_an_entry_may_depend_on_a_version(
    client: Client, kind: str, asked: dict[str, Any], expected: int
) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.put("Patient/a", patient(id="a", gender="other"))
    assert status(await getattr(client, kind)(asked)) == expected


@pytest.mark.parametrize(
    "second",
    [
        entry("PUT", "Patient/a", patient(id="a", gender="male")),
        entry("PATCH", "Patient/a", PATCH),
    ],
)
async def test_a_condition_that_finds_what_another_entry_writes_is_refused(
    client: Client, second: dict[str, Any]
) -> None:
    """Identities that overlap, those that conditions resolve to as well, make a transaction fail."""
    await client.put("Patient/a", patient(id="a"))
    for first in (entry("PUT", ONE, patient(active=True)), entry("PATCH", ONE, PATCH)):
        reply = await client.transaction(first, second)
        assert (reply.status, reply.issue["expression"]) == (400, ["Bundle.entry[1].request"])
        assert (await client.get("Patient/a")).etag == 'W/"1"'
