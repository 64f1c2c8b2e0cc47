"""Implementation guides in a real deployment: loaded at start, posted to one of two processes, refused when broken."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.deployment import Deployment
from tests.fhir_api.conformance.test_packages import archive
from tests.fhir_api.validation.profiles.small import BASE, profile

pytestmark = pytest.mark.timeout(120)

NEEDS_BIRTH_DATE = profile("Patient", {"path": "birthDate", "min": 1})
CLAIM = {"resourceType": "Patient", "active": True, "meta": {"profile": [BASE + "p"]}}
FILES = {
    "package/package.json": {"name": "example.guide", "version": "1.0.0"},
    "package/StructureDefinition-p.json": NEEDS_BIRTH_DATE,
}


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path / "data", arguments=("--no-worker", "--workers", "2"))
    yield deployment
    deployment.kill()


def ig(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "healthvision", "ig", *arguments],
        env={"HEALTHVISION_DATA_DIR": str(deployment.data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_guides_of_the_folder_and_added_ones_are_used(
    deployment: Deployment, tmp_path: Path
) -> None:
    package = archive(tmp_path / "guide.tgz", FILES)
    added = ig(deployment, "add", str(package))
    assert added.returncode == 0, added.stderr
    assert "example.guide 1.0.0: 1 definitions" in added.stdout
    [row] = orjson.loads(ig(deployment, "list", "--json").stdout)
    assert (row["name"], row["StructureDefinition"]) == ("example.guide", 1)
    folder = tmp_path / "guides" / "own"
    folder.mkdir(parents=True)
    other = profile("Patient", {"path": "gender", "min": 1}, name="q")
    (folder / "StructureDefinition-q.json").write_bytes(orjson.dumps(other))
    deployment.settings["HEALTHVISION_IG_DIR"] = str(tmp_path / "guides")
    deployment.start()
    both = {**CLAIM, "meta": {"profile": [BASE + "p", BASE + "q"]}}
    with deployment.client() as client:
        refused = client.post("/Patient", json=both)
    places = [row["expression"][0] for row in refused.json()["issue"] if row["severity"] == "error"]
    assert (refused.status_code, sorted(places)) == (422, ["Patient.birthDate", "Patient.gender"])


def test_a_posted_profile_is_known_to_all_processes_within_a_moment(
    deployment: Deployment,
) -> None:
    deployment.start()
    with deployment.client() as client:
        client.headers["Connection"] = "close"
        assert client.post("/Patient", json=CLAIM).status_code == 201
        assert client.post("/StructureDefinition", json=NEEDS_BIRTH_DATE).status_code == 201
        refusals = 0
        deadline_s = time.monotonic() + 60
        # New connections land in either process; forty in a row that are refused have met both.
        while refusals < 40 and time.monotonic() < deadline_s:
            refused = client.post("/Patient", json=CLAIM).status_code == 422
            refusals = refusals + 1 if refused else 0
        assert refusals == 40


def test_a_broken_guide_stops_the_start_with_one_sentence(
    deployment: Deployment, tmp_path: Path
) -> None:
    folder = tmp_path / "guides"
    folder.mkdir()
    (folder / "broken.tgz").write_bytes(b"not a package")
    deployment.settings["HEALTHVISION_IG_DIR"] = str(folder)
    deployment.start(wait=False)
    assert deployment.process is not None
    assert deployment.process.wait(60) == 2
    assert deployment.log().strip() == "broken.tgz: it is no FHIR package (a gzipped tar file)."
    refused = ig(deployment, "add", str(folder / "broken.tgz"))
    assert refused.returncode == 1
    assert not (deployment.data_dir / "ig").exists()
