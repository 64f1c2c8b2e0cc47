"""HL7's reference validator, as ``../shared/tools/validator`` builds and serves it (Java and Maven)."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.services.needs import ROOT, program

SHARED = Path(os.environ.get("HEALTHVISION_SHARED", ROOT.parent / "shared"))
READY_WITHIN_S = 240
AT_ONCE = 20
NDJSON = {"Content-Type": "application/fhir+ndjson"}


class ReferenceValidator:
    """A running validator."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def errors_of(self, resources: Sequence[bytes]) -> list[list[str]]:
        """For each resource, what is wrong with it: the texts of its errors."""
        found: list[list[str]] = []
        for start in range(0, len(resources), AT_ONCE):
            lines = b"\n".join(resources[start : start + AT_ONCE])
            reply = self._client.post("/", content=lines, headers=NDJSON)
            found += [_errors(orjson.loads(line)) for line in reply.content.splitlines() if line]
        assert len(found) == len(resources)
        return found


def _errors(outcome: dict[str, Any]) -> list[str]:
    return [
        issue.get("diagnostics") or issue["details"]["text"]
        for issue in outcome["issue"]
        if issue["severity"] in ("error", "fatal")
    ]


@contextmanager
def reference_validator(*arguments: str) -> Iterator[ReferenceValidator]:
    """The validator, for as long as the block runs; skips where it is absent. ``arguments`` are validate.sh's."""
    script = SHARED / "tools" / "validator" / "validate.sh"
    if not script.is_file():
        pytest.skip("the reference validator of ../shared/tools is not there")
    program("java")
    program("mvn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["sh", str(script), *arguments, "--min-severity", "error", "--serve", str(port)]
    process = subprocess.Popen(command, cwd=script.parent, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
            yield ReferenceValidator(client)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the reference validator ended as it started"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(
                0.2
            )  # between two looks at a process that has no other way to say that it is ready
    pytest.fail("the reference validator does not answer")
