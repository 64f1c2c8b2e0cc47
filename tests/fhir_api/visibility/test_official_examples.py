"""Every official example, as one patient's app sees it: what is read is what is found, and it is that patient's.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.patient_policy import Policy, policy_of
from fhir_api.roles import CONFORMANCE
from tests.fhir_api.client import Client
from tests.fhir_api.validation.official_examples import official_package, valid_examples
from tests.fhir_api.visibility.callers import app

PATIENT = re.compile(rb'"(?:http://example\.org/fhir/)?Patient/[A-Za-z0-9.\-]+"')
ME = "Patient/example"
AT_ONCE = 32


def examples() -> Iterator[tuple[str, bytes]]:
    """Those that may be stored under their own id. Every second one is about another patient."""
    for at, (_, content) in enumerate(valid_examples(official_package())):
        resource = orjson.loads(content)
        left_out = {"AuditEvent", "Bundle"} | CONFORMANCE
        if "id" in resource and resource["resourceType"] not in left_out:
            whose = b'"Patient/other"' if at % 2 else b'"Patient/example"'
            yield f"{resource['resourceType']}/{resource['id']}", PATIENT.sub(whose, content)


def names_me(value: Any) -> bool:
    """Whether some reference in the resource is to the patient."""
    if isinstance(value, dict):
        return value.get("reference") == ME or any(map(names_me, value.values()))
    return isinstance(value, list) and any(map(names_me, value))


def is_about_me(url: str, resource: dict[str, Any]) -> bool:
    in_compartment = policy_of(url.split("/", maxsplit=1)[0]) is Policy.COMPARTMENT
    return in_compartment and any(names_me(resource.get(name)) for name in ("subject", "patient"))


@pytest.mark.timeout(900)
async def test_an_app_reads_what_it_finds_and_all_of_it_is_the_patients(client: Client) -> None:
    mine = client.calling_as(app("patient/*.rs", "example"))
    turn = asyncio.Semaphore(AT_ONCE)
    stored: dict[str, bytes] = dict(examples())

    async def store(url: str, content: bytes) -> None:
        async with turn:
            made = await client.put(url, content, prefer="return=minimal")
            assert made.status in {200, 201}, (url, made.body)

    await asyncio.gather(*(store(url, content) for url, content in stored.items()))

    async def is_read(url: str) -> bool:
        async with turn:
            return (await mine.get(url, accept="application/fhir+json")).status == 200

    answers = await asyncio.gather(*map(is_read, stored))
    read = {url for url, answer in zip(stored, answers, strict=True) if answer}
    found = set()
    for type in sorted(RESOURCE_TYPES):
        reply = await mine.get(f"{type}?_count=1000&_elements=id&_total=accurate")
        if policy_of(type) in {Policy.HIDDEN, Policy.BINARY}:
            assert reply.status == 403
            continue
        entries = reply.json.get("entry", [])
        assert reply.json["total"] == len(entries)
        found |= {f"{type}/{entry['resource']['id']}" for entry in entries}
    assert {url for url in read if not url.startswith("Binary/")} == found
    concerning = {
        url for url in read if policy_of(url.split("/")[0]) in {Policy.COMPARTMENT, Policy.FOR}
    }
    assert len(concerning) > 100
    assert all(names_me(orjson.loads(stored[url])) for url in concerning)
    about_me = {url for url, content in stored.items() if is_about_me(url, orjson.loads(content))}
    assert about_me <= read
    assert [url for url in read if url.startswith("Patient/")] == [ME]
