"""``healthvision token`` beside a real server of two processes: what it makes opens, what it revokes is shut at once.

https://hl7.org/fhir/smart-app-launch/STU2.2/, https://www.rfc-editor.org/rfc/rfc7009
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from healthvision.cli import app
from tests.deployment import Deployment

pytestmark = pytest.mark.timeout(120)

READER = ("create", "--scope", "system/*.rs", "--role", "worker", "--client", "reader")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(
        tmp_path_factory.mktemp("tokens") / "data", arguments=("--no-worker", "--workers", "2")
    )
    deployment.start()
    yield deployment
    deployment.kill()


def token(data_dir: Path, *arguments: str, stdin: str = "", **settings: str) -> Result:
    """The command, in this process: a new one takes a second to start."""
    environment = {name: None for name in os.environ if name.startswith("HEALTHVISION_")}
    environment["HEALTHVISION_DATA_DIR"] = str(data_dir)
    return CliRunner().invoke(
        app, ["token", *arguments], input=stdin, env={**environment, **settings}
    )


def of(deployment: Deployment, *arguments: str, stdin: str = "", **settings: str) -> Result:
    """The command beside a server."""
    port = {"HEALTHVISION_PORT": str(deployment.port)}
    return token(deployment.data_dir, *arguments, stdin=stdin, **port | settings)


def made(deployment: Deployment, *arguments: str) -> str:
    done = of(deployment, *arguments)
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1, "the token alone stands on standard output"
    return done.stdout.strip()


def statuses(deployment: Deployment, bearer: str, times: int = 12) -> set[int]:
    """Of requests over connections of their own, which both processes take."""
    found = set()
    for _ in range(times):
        with httpx.Client(trust_env=False, timeout=30) as client:
            headers = {"Authorization": f"Bearer {bearer}"}
            found.add(client.get(f"{deployment.fhir}/Patient/-", headers=headers).status_code)
    return found


def test_a_token_opens_until_it_is_revoked_and_then_no_process_takes_it(
    deployment: Deployment,
) -> None:
    first, second = made(deployment, *READER), made(deployment, *READER)
    assert statuses(deployment, first) == statuses(deployment, second) == {404}
    by_stdin = of(deployment, "revoke", stdin=f"{first}\n")
    assert (by_stdin.exit_code, by_stdin.stdout) == (0, "")
    assert statuses(deployment, first) == {401}
    assert statuses(deployment, second) == {404}
    claims = orjson.loads(of(deployment, "show", stdin=second).stdout)["claims"]
    assert of(deployment, "revoke", claims["jti"]).exit_code == 0
    assert statuses(deployment, second) == {401}
    assert of(deployment, "revoke", stdin=second).exit_code == 0, "once more does no harm"


def test_a_restart_forgets_no_revocation_and_ends_no_token(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", arguments=("--no-worker",))
    deployment.start()
    try:
        good, revoked = made(deployment, *READER), made(deployment, *READER)
        assert of(deployment, "revoke", stdin=revoked).exit_code == 0
        deployment.kill()
        deployment.start()
        assert statuses(deployment, good, 1) == {404}
        assert statuses(deployment, revoked, 1) == {401}
    finally:
        deployment.kill()


def test_every_door_takes_the_same_tokens(deployment: Deployment) -> None:
    good, revoked = made(deployment, *READER), made(deployment, *READER)
    assert of(deployment, "revoke", stdin=revoked).exit_code == 0
    for path in ("/fhir/Patient", "/api/v1/models", "/dicom-web/studies"):
        answers = {
            bearer: httpx.get(
                f"{deployment.url}{path}",
                headers={"Authorization": f"Bearer {bearer}"},
                trust_env=False,
                timeout=30,
            )
            for bearer in (good, revoked, f"{good[:-8]}AAAAAAAA")
        }
        first, *others = answers.values()
        assert first.status_code < 300, path
        assert {answer.status_code for answer in others} == {401}, path
        for answer in others:
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"], path


def test_another_deployments_token_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "deployment.key").write_bytes(b"another key, of sixty-four bytes".ljust(64))
    other = token(tmp_path, *READER, HEALTHVISION_PORT=str(deployment.port))
    assert statuses(deployment, other.stdout.strip(), 1) == {401}
    elsewhere = of(deployment, *READER, HEALTHVISION_PORT="1")
    assert statuses(deployment, elsewhere.stdout.strip(), 1) == {401}


def test_a_token_says_what_was_asked_for(deployment: Deployment) -> None:
    bearer = made(
        deployment,
        *("create", "--scope", "patient/*.rs patient/Observation.cruds?category=imaging"),
        *("--patient", "p1", "--encounter", "e1", "--user", "Practitioner/1"),
        *("--role", "radiologist", "--role", "clinician", "--client", "viewer"),
        *("--purpose", "TREAT", "--expires", "2h"),
    )
    said = orjson.loads(of(deployment, "show", stdin=bearer).stdout)
    claims = said["claims"]
    assert said["header"]["typ"] == "at+jwt"
    assert claims["exp"] - claims["iat"] == 7200
    assert claims["scope"] == "patient/*.rs patient/Observation.cruds?category=imaging"
    assert claims["realm_access"] == {"roles": ["clinician", "radiologist"]}
    assert (claims["patient"], claims["encounter"], claims["purpose"]) == ("p1", "e1", "TREAT")
    assert (claims["client_id"], claims["fhirUser"]) == ("viewer", "Practitioner/1")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("--scope", "patient/*.rs"), "--patient"),
        (("--scope", "everything"), "--scope"),
        (("--scope", "system/Nothing.rs"), "--scope"),
        (("--scope", " "), "--scope"),
        (("--scope", "system/*.rs", "--role", "king"), "--role"),
        (("--scope", "system/*.rs", "--client", "operator"), "--client"),
        (("--scope", "system/*.rs", "--client", "a b"), "--client"),
        (("--scope", "system/*.rs", "--user", "Organization/1"), "--user"),
        (("--scope", "patient/*.rs", "--patient", "Patient/1"), "--patient"),
        (("--scope", "system/*.rs", "--expires", "soon"), "--expires"),
        (("--scope", "system/*.rs", "--expires", "0s"), "--expires"),
        (("--scope", "system/*.rs", "--expires", "367d"), "--expires"),
        (("--scope", "system/*.rs", "--purpose", "treat"), "--purpose"),
        ((), "--scope"),
    ],
)
def test_what_would_grant_nothing_or_too_much_is_refused_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], option: str
) -> None:
    done = token(tmp_path, "create", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert option in done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_no_token_is_made_where_no_server_could_take_it(tmp_path: Path) -> None:
    done = token(tmp_path / "nowhere", *READER)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no server has run" in done.stderr
    assert not (tmp_path / "nowhere").exists()
    done = token(tmp_path, *READER, HEALTHVISION_HOST="0.0.0.0")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "HEALTHVISION_BASE_URL" in done.stderr


@pytest.mark.parametrize("command", ["show", "revoke"])
@pytest.mark.parametrize("stdin", ["", "nonsense", "a.b.c", "\x00", "x" * 100_000])
def test_what_is_no_token_is_said_to_be_none(tmp_path: Path, command: str, stdin: str) -> None:
    (tmp_path / "deployment.key").write_bytes(bytes(64))
    done = token(tmp_path, command, stdin=stdin)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Standard input holds no" in done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)
