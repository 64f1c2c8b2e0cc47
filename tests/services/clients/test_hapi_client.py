"""HAPI's generic client in Java, unmodified, in both formats: ``hapi/`` is a Maven project with its story."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.deployment import OPERATOR_TOKEN, Deployment
from tests.services.needs import program, there

HAPI = Path(__file__).parent / "hapi" / "target"
STEPS = [
    "read",
    "update",
    "search",
    "conditional create",
    "transaction",
    "patch",
    "meta",
    "operations",
    "delete",
    "errors",
]


@pytest.mark.services
@pytest.mark.parametrize("format", ["json", "xml"])
def test_hapis_client_does_all_that_it_can(server: Deployment, format: str) -> None:
    java = program("java")
    classpath = f"{there(HAPI / 'classes')}:{there(HAPI / 'lib')}/*"
    run = subprocess.run(
        [java, "-Xmx256m", "-cp", classpath, "clients.Story", server.fhir, OPERATOR_TOKEN, format],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
    assert run.stdout.split("\n")[:-1] == STEPS
