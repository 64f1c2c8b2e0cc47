"""Whatever is sent to /fhir: no 500, no refusal but an OperationOutcome, no hang, and all is well afterwards.

``make fuzz`` sends 20,000 requests (FUZZ_REQUESTS), as many as wanted with the seed that is wanted (FUZZ_SEED).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import orjson
import pytest

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.definitions.generator.package import PackageUnavailable, find
from fhir_api.errors import FhirError
from fhir_api.formats.xml_reader import json_of
from fhir_api.formats.xml_writer import xml_of
from fhir_api.validation import Validator
from tests.deployment import Deployment
from tests.fuzz.attempts import Attempt, Attempts
from tests.fuzz.bodies import LONGEST_EXAMPLE
from tests.fuzz.wire import DEEPEST, Connection, fault_of

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))
CONNECTIONS = 6
MOST_SHOWN = 20
CANARY = {"resourceType": "Basic", "id": "canary", "code": {"text": "still here"}}
JSON = {"content-type": "application/fhir+json"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Deployment]:
    settings = {"HEALTHVISION_PATIENCE_S": "2", "HEALTHVISION_BODY_LIMIT_BYTES": "4000000"}
    deployment = Deployment(tmp_path / "data", arguments=("--no-worker",), settings=settings)
    deployment.start()
    yield deployment
    deployment.kill()


def examples() -> list[dict[str, Any]]:
    """Some short official resources; none where the package cannot be had."""
    try:
        package = find()
    except PackageUnavailable:
        return []
    short = [content for _, content in package if len(content) < LONGEST_EXAMPLE]
    return [orjson.loads(content) for content in short[:: max(len(short) // 200, 1)]]


class Table:
    """What was sent and what came back, by kind."""

    def __init__(self) -> None:
        self.statuses: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.slowest_ms: defaultdict[str, float] = defaultdict(float)
        self.faults: list[str] = []
        self.by_status: Counter[int] = Counter()

    def take(self, attempt: Attempt, status: int | None, took_s: float, fault: str | None) -> None:
        self.statuses[attempt.kind][f"{status // 100}xx" if status else "closed"] += 1
        self.by_status[status or 0] += 1
        self.slowest_ms[attempt.kind] = max(self.slowest_ms[attempt.kind], took_s * 1000)
        if fault is not None:
            self.faults.append(f"{fault}: {attempt.sent[:600]!r}")

    def __str__(self) -> str:
        columns = ("2xx", "3xx", "4xx", "5xx", "closed")
        lines = [
            f"| kind | requests | {' | '.join(columns)} | slowest, ms |",
            f"|---|{'---:|' * (len(columns) + 2)}",
        ]
        for kind, found in sorted(self.statuses.items()):
            counts = " | ".join(str(found[column]) for column in columns)
            lines.append(f"| {kind} | {found.total()} | {counts} | {self.slowest_ms[kind]:.0f} |")
        told = ", ".join(
            f"{status or 'closed'}: {n}" for status, n in sorted(self.by_status.items())
        )
        return "\n".join([*lines, "", f"Statuses: {told}.", f"Faults: {len(self.faults)}."])


async def fuzzed(port: int) -> Table:
    attempts, table = Attempts(SEED, examples()), Table()
    waiting = iter([attempts.next() for _ in range(REQUESTS)])

    async def ask() -> None:
        connection = Connection(port)
        for attempt in waiting:
            started_s = perf_counter()
            try:
                answer = await connection.ask(attempt)
            except TimeoutError:
                await connection.close()
                table.take(attempt, None, perf_counter() - started_s, "a hang")
                continue
            status = answer.status if answer else None
            table.take(attempt, status, perf_counter() - started_s, fault_of(attempt, answer))
        await connection.close()

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    return table


def assert_all_is_valid(client: httpx.Client) -> None:
    """Nothing that breaks R4's definitions was taken, and each resource is the same in XML."""
    searched = RESOURCE_TYPES - {"AuditEvent"}  # which auditors read alone
    url: str | None = "/?_count=500&_type=" + ",".join(sorted(searched))
    validator, count = Validator(), 0
    while url is not None:
        page = client.get(url).json()
        for found in page.get("entry", []):
            resource = found["resource"]
            type = resource["resourceType"]
            errors = [issue for issue in validator.validate(resource, type) if issue.is_error]
            assert errors == [], (type, resource["id"], errors)
            count += 1
            try:
                again = json_of(xml_of(orjson.dumps(resource)), DEEPEST)
            except FhirError as refusal:
                if "XML cannot" not in refusal.text:
                    raise
            else:
                assert orjson.loads(again) == resource
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    print(f"{count} resources were stored and are valid.")


@pytest.mark.timeout(3600)
def test_no_request_makes_the_server_fail(server: Deployment) -> None:
    with server.client() as client:
        made = client.put("/Basic/canary", json=CANARY, headers=JSON)
        assert made.status_code == 201
    pids = [process.pid for process in server.processes("api")]

    table = asyncio.run(fuzzed(server.port))
    print(f"\n{REQUESTS} requests, seed {SEED}\n\n{table}")

    assert not table.faults, "\n".join(table.faults[:MOST_SHOWN])
    assert [process.pid for process in server.processes("api")] == pids
    with server.client() as client:
        assert client.get("/Basic/canary").content == made.content
        assert_all_is_valid(client)
        later = {"resourceType": "Patient", "name": [{"family": "Afterwards"}]}
        assert client.post("/Patient", json=later, headers=JSON).status_code == 201
        assert client.get("/Patient?family=afterwards&_summary=count").json()["total"] == 1
    log = server.log()
    assert "Traceback" not in log
    assert "unexpected_error" not in log
