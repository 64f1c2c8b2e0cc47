"""A running server's audit: what was asked of it is found by an auditor, and its chain holds, also after SIGTERM."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.deployment import Deployment

WITHIN_S = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(
        tmp_path_factory.mktemp("audited") / "data",
        arguments=("--no-worker", "--workers", "2"),
        settings={"HEALTHVISION_AUDIT_CHECKPOINT_S": "0.2"},
    )
    deployment.start()
    yield deployment
    deployment.kill()


def command(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``healthvision …`` on the server's data."""
    return subprocess.run(
        [sys.executable, "-m", "healthvision", *arguments],
        env=deployment.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def auditor(deployment: Deployment) -> httpx.Client:
    made = command(
        deployment, "token", "create", "--scope", "user/AuditEvent.rs", "--role", "auditor"
    )
    assert made.returncode == 0, made.stderr
    return httpx.Client(
        base_url=deployment.fhir,
        headers={"Authorization": f"Bearer {made.stdout.strip()}"},
        trust_env=False,
    )


def found(client: httpx.Client, query: str, at_least: int = 1) -> list[dict[str, Any]]:
    """The AuditEvents, once there are so many."""
    deadline_s = time.monotonic() + WITHIN_S
    while True:
        answer = client.get(f"/AuditEvent?{query}")
        assert answer.status_code == 200, answer.text
        entries = answer.json().get("entry", [])
        if len(entries) >= at_least:
            return [entry["resource"] for entry in entries]
        assert time.monotonic() < deadline_s, f"{len(entries)} events"
        time.sleep(0.05)  # between two looks at what another process delivers


def test_accesses_of_every_process_are_found_and_name_request_trace_and_address(
    server: Deployment,
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with server.client() as client, auditor(server) as reader:
        client.put("/Patient/p", json={"resourceType": "Patient", "id": "p"})
        for number in range(20):
            with server.client() as another:
                headers = {"X-Request-Id": f"r{number}", "traceparent": trace}
                assert another.get("/Patient/p", headers=headers).status_code == 200
        events = found(reader, "patient=p&subtype=read&_count=50", 20)
        requests = {event["entity"][-1]["what"]["identifier"]["value"] for event in events}
        assert requests == {f"r{number}" for number in range(20)}
        assert {e["agent"][0]["network"]["address"] for e in events} == {"127.0.0.1"}
        assert {e["entity"][-1]["detail"][0]["valueString"] for e in events} == {trace}
        (created,) = found(reader, "patient=p&action=C")
        assert created["agent"][0]["who"]["identifier"]["value"] == "operator"


def test_who_proves_nothing_is_audited(server: Deployment) -> None:
    with auditor(server) as reader:
        refused = httpx.get(f"{server.fhir}/Patient/secret", trust_env=False)
        assert refused.status_code == 401
        (event,) = found(reader, "entity=Patient/secret")
        assert (event["outcome"], event["outcomeDesc"]) == ("4", "HTTP 401")


def test_the_chain_is_whole_and_an_event_is_proved(server: Deployment, tmp_path: Path) -> None:
    with auditor(server) as reader:
        (event,) = found(reader, "_count=1")
    deadline_s = time.monotonic() + WITHIN_S
    while (proved := command(server, "audit", "prove", event["id"])).returncode:
        assert time.monotonic() < deadline_s, proved.stderr
    file = tmp_path / "proof.json"
    file.write_text(proved.stdout)
    assert command(server, "audit", "verify", "--proof", str(file)).returncode == 0
    proof = orjson.loads(proved.stdout)
    proof["event"] = proof["event"].replace("operator", "somebody").replace("auditor", "somebody")
    file.write_bytes(orjson.dumps(proof | {"id": "another"}))
    assert command(server, "audit", "verify", "--proof", str(file)).returncode == 1
    verdict = command(server, "audit", "verify", "--json")
    assert verdict.returncode == 0, verdict.stdout
    assert orjson.loads(verdict.stdout)["findings"] == []


def test_what_waits_is_delivered_before_the_end_and_after_the_next_start(
    tmp_path: Path,
) -> None:
    deployment = Deployment(tmp_path / "data", arguments=("--no-worker",))
    deployment.start()
    with deployment.client() as client:
        client.put("/Patient/p", json={"resourceType": "Patient", "id": "p"})
        client.get("/Patient/p")
    assert deployment.stop() == 0
    verdict = command(deployment, "audit", "verify", "--json")
    counts = orjson.loads(verdict.stdout)
    assert (verdict.returncode, counts["events"], counts["checkpoints"]) == (0, 2, 1)
    assert list((tmp_path / "data" / "audit" / "journal").glob("*.journal")) == []


def test_without_an_audit_nothing_is_kept(tmp_path: Path) -> None:
    deployment = Deployment(
        tmp_path / "data", arguments=("--no-worker",), settings={"HEALTHVISION_AUDIT": "off"}
    )
    deployment.start()
    try:
        with deployment.client() as client:
            assert client.get("/Patient/p").status_code == 404
        assert not (tmp_path / "data" / "audit").exists()
        assert command(deployment, "audit", "verify").returncode == 2
    finally:
        deployment.kill()
