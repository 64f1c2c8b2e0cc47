"""A worker that has a key and nothing else: from a posted Task to its report, with a real Keycloak.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydicom.data import get_testdata_file

from healthvision.keycloak.bootstrap import bootstrap
from healthvision.keycloak.command import public_keys
from healthvision.keycloak.keypair import write_keypair
from healthvision.keycloak.realm import WORKER
from inference.credential import ASSERTION, WORKER_SCOPES
from inference.signing_key import SigningKey, read_signing_key
from terminology.analyses import ANALYSIS_SYSTEM
from tests.services.hospital import ANNA, Hospital, hospital, until
from tests.services.keycloak import Keycloak

pytestmark = pytest.mark.services

FINAL = frozenset({"completed", "failed", "rejected", "cancelled"})


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("worker") / "worker.pem"
    write_keypair(file)
    return file


@pytest.fixture(scope="module")
def place(
    keycloak: Keycloak, key_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hospital]:
    keys = public_keys(key_file.with_suffix(".jwks"))
    with hospital(
        keycloak,
        tmp_path_factory.mktemp("hospital"),
        change=lambda site: replace(site, worker_jwks=keys),
    ) as opened:
        yield opened


def asked(place: Hospital, assertion: str, scope: str = " ".join(WORKER_SCOPES)) -> httpx.Response:
    """What the token endpoint that the server publishes answers to an assertion."""
    configuration = httpx.get(f"{place.fhir}/.well-known/smart-configuration", trust_env=False)
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION,
        "client_assertion": assertion,
    }
    endpoint = configuration.json()["token_endpoint"]
    return httpx.post(endpoint, data=form, trust_env=False, timeout=30)


def test_a_key_gets_a_token_of_a_worker_and_no_more_than_its_client_may(
    place: Hospital, key_file: Path
) -> None:
    key = read_signing_key(key_file)
    answer = asked(place, key.assertion(WORKER, place.realm.issuer))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert set(said["scope"].split()) == set(WORKER_SCOPES)
    assert "refresh_token" not in said
    claims = jwt.decode(said["access_token"], options={"verify_signature": False})
    assert claims["realm_access"]["roles"] == ["worker"]
    more = asked(place, key.assertion(WORKER, place.realm.issuer), "system/*.cruds")
    assert more.status_code == 400
    user = asked(place, key.assertion(WORKER, place.realm.issuer), "user/*.rs")
    assert user.status_code == 400


def test_an_assertion_works_once_for_its_client_its_key_and_its_audience(
    place: Hospital, key_file: Path, tmp_path: Path
) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#signature-verification"""
    key = read_signing_key(key_file)
    once = key.assertion(WORKER, place.realm.issuer)
    assert asked(place, once).status_code == 200
    write_keypair(tmp_path / "strange.pem")
    strange = read_signing_key(tmp_path / "strange.pem")
    as_known = SigningKey(strange.private, strange.algorithm, key.public_jwk)
    refused = {
        "replayed": once,
        "another key": strange.assertion(WORKER, place.realm.issuer),
        "another key under the known one's name": as_known.assertion(WORKER, place.realm.issuer),
        "another audience": key.assertion(WORKER, "https://other.example.org"),
        "another client": key.assertion("ehr-portal", place.realm.issuer),
        "nobody": key.assertion("nobody", place.realm.issuer),
    }
    for what, assertion in refused.items():
        answer = asked(place, assertion)
        assert answer.status_code in {400, 401}, what
        assert answer.json()["error"] in {"invalid_client", "unauthorized_client"}, what


def test_a_secret_is_no_way_in(place: Hospital) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": WORKER,
        "client_secret": "any secret at all",
    }
    answer = httpx.post(f"{place.auth}/token", data=form, trust_env=False, timeout=30)
    assert answer.status_code in {400, 401}


def order(operator: httpx.Client) -> str:
    """The id of a Task on the demo radiograph, which an EHR has stored and ordered."""
    path = get_testdata_file("RG1_J2KI.dcm", download=False)
    assert path is not None, "pydicom-data is a dependency"
    stored = operator.post(
        str(operator.base_url.join("/api/v1/studies")),
        files={"files": ("radiograph.dcm", Path(str(path)).read_bytes())},
        data={"patient": f"Patient/{ANNA}"},
    )
    assert stored.status_code in {200, 201}, stored.text
    [study] = stored.json()["studies"]
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": ANALYSIS_SYSTEM, "code": "chest-xray-pneumonia"}]},
        "for": {"reference": f"Patient/{ANNA}"},
        "focus": {"reference": study.get("reference") or study["study"]},
    }
    answer = operator.post("/Task", json=task)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def settled(operator: httpx.Client, id: str, worker: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The Task once it has its final state."""
    task: dict[str, Any] = {}

    def is_final() -> bool:
        assert worker.poll() is None, "the worker ended"
        task.update(operator.get(f"/Task/{id}").json())
        return task["status"] in FINAL

    until(is_final)
    return task


def worker_process(place: Hospital, key_file: Path, log: Path) -> subprocess.Popen[bytes]:
    """``healthvision worker`` in an environment that holds the address of the server, the key, and no token."""
    environment = {
        **{name: value for name, value in os.environ.items() if "HEALTHVISION" not in name},
        "HEALTHVISION_WORKER_KEY_FILE": str(key_file),
    }
    command = [sys.executable, "-m", "healthvision", "worker", "--url", place.fhir]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )


def test_a_worker_with_its_key_alone_does_a_whole_analysis_and_goes_on_with_a_new_key(
    place: Hospital, key_file: Path, tmp_path: Path
) -> None:
    """Tokens live for six seconds here: the second analysis is done with ones that the new key got."""
    place.realm.admin.put("", {"accessTokenLifespan": 6})
    worker = worker_process(place, key_file, tmp_path / "worker.log")
    try:
        with place.deployment.client() as operator:
            first = settled(operator, order(operator), worker)
            assert first["status"] == "completed", first.get("statusReason")
            [report] = [
                one["valueReference"]["reference"]
                for one in first["output"]
                if one["valueReference"]["reference"].startswith("DiagnosticReport/")
            ]
            assert operator.get(f"/{report}").json()["status"] == "preliminary"

            old_key = read_signing_key(key_file)
            write_keypair(tmp_path / "next.pem")
            keys = public_keys(tmp_path / "next.jwks")
            (tmp_path / "next.pem").replace(key_file)
            last = asked(place, old_key.assertion(WORKER, place.realm.issuer)).json()
            changed = bootstrap(place.realm.admin, replace(place.realm.site, worker_jwks=keys))
            assert [one.members for one in changed if one.kind == "client"] == [
                ("attributes.jwks.string",)
            ]
            refused = asked(place, old_key.assertion(WORKER, place.realm.issuer))
            assert refused.json()["error"] == "invalid_client"
            opened = {"Authorization": f"Bearer {last['access_token']}"}
            until(lambda: operator.get("/Task", headers=opened).status_code == 401)
            second = settled(operator, order(operator), worker)
            assert second["status"] == "completed", second.get("statusReason")
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, (tmp_path / "worker.log").read_text(errors="replace")
