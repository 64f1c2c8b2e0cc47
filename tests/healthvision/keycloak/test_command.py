"""``healthvision keycloak bootstrap`` tells what is wrong in one sentence, before it writes anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from healthvision.cli import app
from healthvision.keycloak.bootstrap import Change, Verb, differing, merged
from healthvision.keycloak.command import told
from tests.deployment import free_port

SECRET = "administrators-secret"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHVISION_KEYCLOAK_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HEALTHVISION_KEYCLOAK_ADMIN_SECRET", SECRET)


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and everything that was printed, on one line."""
    result = CliRunner().invoke(app, ["keycloak", "bootstrap", *arguments])
    assert SECRET not in result.output
    return result.exit_code, " ".join(result.output.split())


def test_a_keycloak_that_does_not_answer_is_exit_code_1() -> None:
    code, printed = run()
    assert code == 1
    assert "Keycloak cannot be reached at http://127.0.0.1:" in printed


def test_without_a_secret_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEALTHVISION_KEYCLOAK_ADMIN_SECRET")
    code, printed = run()
    assert (code, "HEALTHVISION_KEYCLOAK_ADMIN_SECRET" in printed) == (2, True)


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_secret_file_that_holds_none_is_named(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)
    monkeypatch.delenv("HEALTHVISION_KEYCLOAK_ADMIN_SECRET")
    monkeypatch.setenv("HEALTHVISION_KEYCLOAK_ADMIN_SECRET_FILE", str(file))
    code, printed = run()
    assert (code, "HEALTHVISION_KEYCLOAK_ADMIN_SECRET_FILE" in printed) == (2, True)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"keys": [{"kty": "EC", "crv": "P-384", "x": "a", "y": "b", "d": "c"}]}, "private"),
        ({"keys": "none"}, "no JWK Set"),
        ([], "no JWK Set"),
    ],
)
def test_a_file_of_keys_that_is_none_or_holds_a_private_key_is_refused(
    keys: object, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(keys))
    monkeypatch.setenv("HEALTHVISION_KEYCLOAK_WORKER_JWKS_FILE", str(file))
    code, printed = run()
    assert code == 2
    assert complaint in printed


def test_a_type_that_r4_does_not_have_is_refused() -> None:
    code, printed = run("--type", "Radiograph")
    assert (code, "Radiograph is no resource type" in printed) == (2, True)


def test_only_members_that_are_wanted_are_compared_and_lists_have_no_order() -> None:
    found = {"a": [1, 2], "b": {"c": "x", "other": "y"}, "extra": 1}
    assert differing({"a": [2, 1], "b": {"c": "x"}}, found) == []
    assert differing({"a": [2], "b": {"c": "z", "d": "w"}}, found) == ["a", "b.c", "b.d"]
    assert merged(found, {"b": {"c": "z"}})["b"] == {"c": "z", "other": "y"}


def test_many_objects_of_one_kind_are_counted_and_no_value_is_told() -> None:
    changes = [Change(Verb.MAKE, "role", str(n)) for n in range(5)]
    changes.append(Change(Verb.MEND, "client", "ehr-portal", ("secret",)))
    assert list(told(changes)) == [
        "make 5 roles: 0, 1, 2, …",
        "mend client ehr-portal: secret",
    ]
