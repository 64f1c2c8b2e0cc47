"""``healthvision reindex`` against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import OPERATOR_TOKEN, Deployment
from tests.fhir_api.conformance.test_search_parameters import definition, patient

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path / "data", arguments=("--no-worker",))
    deployment.start()
    yield deployment
    deployment.kill()


def reindex(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "healthvision",
            "reindex",
            "--port",
            str(deployment.port),
            *arguments,
        ],
        env={**os.environ, "HEALTHVISION_TOKEN": OPERATOR_TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_says_how_many_were_indexed_again(deployment: Deployment) -> None:
    with deployment.client() as client:
        for number in range(3):
            assert (
                client.put(f"/Patient/p{number}", json=patient(f"p{number}", "blue")).status_code
                == 201
            )
        assert client.post("/SearchParameter", json=definition()).status_code == 201
        done = reindex(deployment, "Patient")
        assert (done.returncode, done.stdout) == (0, "3 resources indexed again.\n")
        assert client.get("/Patient?eyes=blue&_summary=count").json()["total"] == 3


def test_a_refusal_is_one_sentence_and_exit_code_1(deployment: Deployment) -> None:
    refused = reindex(deployment, "Cat")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "must be a resource type" in refused.stderr
    deployment.kill()
    unreachable = reindex(deployment)
    assert unreachable.returncode == 1
    assert "cannot be reached" in unreachable.stderr
