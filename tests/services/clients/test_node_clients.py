"""fhir-kit-client and @medplum/core, unmodified: ``node/*.mjs`` are their stories, one step after the other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.deployment import OPERATOR_TOKEN, Deployment
from tests.services.needs import program, there

NODE = Path(__file__).parent / "node"
STEPS = {
    "read",
    "update",
    "search",
    "conditional create",
    "transaction",
    "patch",
    "operations",
    "delete",
    "errors",
}


@pytest.mark.services
@pytest.mark.parametrize("story", ["fhir_kit_client.mjs", "medplum.mjs"])
def test_a_client_of_node_does_all_that_it_can(server: Deployment, story: str) -> None:
    node = program("node")
    there(NODE / "node_modules")
    environment = {**os.environ, "FHIR_BASE": server.fhir, "FHIR_TOKEN": OPERATOR_TOKEN}
    run = subprocess.run(
        [node, story],
        check=False,
        cwd=NODE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert set(run.stdout.split("\n")) >= STEPS
