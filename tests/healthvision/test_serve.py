"""``healthvision serve`` as an operator meets it: starts, restarts what dies, ends cleanly, says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.deployment import OPERATOR_TOKEN, Deployment, kill_one

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path / "data", arguments=("--no-worker", "--workers", "2"))
    yield deployment
    deployment.kill()


def eventually(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_sigterm_ends_it_with_0_and_leaves_no_process(deployment: Deployment) -> None:
    deployment.start()
    family = deployment.processes()
    assert len(family) == 4  # the supervisor, two that answer, and the one that delivers the audit
    assert deployment.stop() == 0
    eventually(lambda: not any(one.is_running() for one in family))


def test_children_end_when_the_supervisor_is_killed(deployment: Deployment) -> None:
    deployment.start()
    family = deployment.processes()
    assert deployment.process is not None
    deployment.process.kill()
    deployment.process.wait()
    eventually(lambda: not any(one.is_running() for one in family[1:]))


def test_an_api_process_that_dies_is_started_again(deployment: Deployment) -> None:
    deployment.start()
    before = {one.pid for one in deployment.processes("api")}
    kill_one(deployment.processes("api")[0])
    eventually(lambda: len({one.pid for one in deployment.processes("api")} - before) == 1)
    deployment.wait_until_ready()


def test_what_one_api_process_wrote_all_can_read(deployment: Deployment) -> None:
    deployment.start()
    with deployment.client() as client:
        for number in range(20):
            body = {"resourceType": "Patient", "id": f"p{number}"}
            assert (
                client.put(
                    f"/Patient/p{number}", json=body, headers={"Connection": "close"}
                ).status_code
                == 201
            )
            assert (
                client.get(f"/Patient/p{number}", headers={"Connection": "close"}).status_code
                == 200
            )


def test_a_port_that_is_taken_is_exit_code_2_with_a_sentence(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.start()
    other = Deployment(tmp_path / "other", port=deployment.port)
    other.start(wait=False)
    assert other.process is not None
    assert other.process.wait(30) == 2
    assert f"Cannot listen on 127.0.0.1:{deployment.port}" in other.log()


def test_without_a_token_nothing_but_the_capabilities_can_be_read(deployment: Deployment) -> None:
    deployment.start()
    with httpx.Client(base_url=deployment.url, trust_env=False) as stranger:
        assert stranger.get("/fhir/metadata").status_code == 200
        for path in (
            "/fhir/Patient",
            "/fhir/Patient/1",
            "/api/v1/models",
            "/dicom-web/studies",
            "/reports/x",
        ):
            answer = stranger.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer"), path


def test_settings_are_listed_without_secrets() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "healthvision", "settings", "--json"],
        env={"HEALTHVISION_TOKEN": OPERATOR_TOKEN, "HEALTHVISION_PORT": "8123"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert OPERATOR_TOKEN not in done.stdout
    rows = {row["variable"]: row for row in json.loads(done.stdout)}
    assert rows["HEALTHVISION_PORT"]["value"] == "8123"
    assert rows["HEALTHVISION_PORT"]["set"]


def test_a_wrong_setting_is_exit_code_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "healthvision", "serve"],
        env={"HEALTHVISION_PORT": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("HEALTHVISION_PORT: ")
