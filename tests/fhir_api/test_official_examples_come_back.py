"""Every valid official R4 resource is stored and comes back equal: values, member order, decimal texts.

The exceptions are the defective ones that ``tests.fhir_api.validation.official_examples`` names with their reasons.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import orjson
import pytest

from tests.fhir_api.client import Client
from tests.fhir_api.validation.official_examples import official_package, valid_examples

AT_ONCE = 32


def exact(body: bytes) -> Any:
    return json.loads(body, parse_float=str, parse_int=str, object_pairs_hook=list)


def without_what_is_ours(members: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    kept = [(name, value) for name, value in members if name not in {"id", "meta"}]
    meta = dict(members).get("meta", [])
    rest = [pair for pair in meta if pair[0] not in {"versionId", "lastUpdated"}]
    return [*kept, ("meta", rest)]


@pytest.mark.timeout(900)
async def test_every_valid_official_resource_comes_back_equal(client: Client) -> None:
    seen: Counter[str] = Counter()
    different: list[str] = []
    turn = asyncio.Semaphore(AT_ONCE)

    async def there_and_back(name: str, sent: bytes) -> None:
        async with turn:
            type = orjson.loads(sent)["resourceType"]
            created = await client.post(type, sent, prefer="return=minimal")
            assert created.status == 201, (name, created.body)
            url = created.header("location").split("/fhir/")[1].partition("/_history")[0]
            read = await client.get(url, accept="application/fhir+json")
            seen[type] += 1
            if without_what_is_ours(exact(read.body)) != without_what_is_ours(exact(sent)):
                different.append(name)

    # An AuditEvent is written by the server alone.
    examples = [
        (name, content)
        for name, content in valid_examples(official_package())
        if not name.startswith("AuditEvent-")
    ]
    await asyncio.gather(*(there_and_back(name, content) for name, content in examples))
    assert different == []
    assert seen.total() == len(examples)
    assert len(seen) > 130
