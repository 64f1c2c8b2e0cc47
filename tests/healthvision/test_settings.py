"""Settings: an empty environment is complete, a wrong value is one clear sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthvision.errors import SettingsError
from healthvision.settings import load


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("HEALTHVISION_")]:
        monkeypatch.delenv(name)


def test_an_empty_environment_is_loopback_with_a_random_token() -> None:
    first, second = load(), load()
    assert first.host == "127.0.0.1"
    assert len(first.token) >= 32
    assert first.token != second.token
    assert not first.is_token_set


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHVISION_PORT", "9000")
    assert load().port == 9000
    assert load(port=9001).port == 9001
    assert load(port=None).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEALTHVISION_PORT", "70000"),
        ("HEALTHVISION_PORT", "http"),
        ("HEALTHVISION_TOKEN", "short"),
        ("HEALTHVISION_BASE_URL", "ftp://here"),
        ("HEALTHVISION_LOG_LEVEL", "loud"),
        ("HEALTHVISION_OUT_OF_SCOPE", "ignore"),
        ("HEALTHVISION_NESTING_LIMIT", "1000"),
        ("HEALTHVISION_PARAMETER_LIMIT", "0"),
        ("HEALTHVISION_CORS_ORIGINS", "https://app.test/path"),
        ("HEALTHVISION_CORS_ORIGINS", "app.test"),
        ("HEALTHVISION_OIDC_ISSUER", "keycloak.test/realms/one"),
        ("HEALTHVISION_OIDC_ISSUER", "https:///realms/one"),
        ("HEALTHVISION_OIDC_ISSUER", "https://[/realms/one"),
        ("HEALTHVISION_OIDC_ISSUER", "https://keycloak.test/realms/one?a=b"),
        ("HEALTHVISION_OIDC_ISSUER", "https://keycloak.test/realms/one#a"),
        ("HEALTHVISION_OIDC_ISSUER", "https://user:password@keycloak.test/realms/one"),
        ("HEALTHVISION_OIDC_ISSUER", "http://keycloak.test/realms/one"),
        ("HEALTHVISION_OIDC_ISSUER", "http://127.0.0.1.keycloak.test/realms/one"),
        ("HEALTHVISION_OIDC_CLOCK_SKEW_S", "86400"),
        ("HEALTHVISION_OIDC_CLOCK_SKEW_S", "-1"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_it_and_not_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load()
    assert str(error.value).startswith(f"{name}: ")
    assert "\n" not in str(error.value)
    assert value not in str(error.value)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://keycloak.test/realms/one",
        "http://127.0.0.1:8080/realms/one",
        "http://localhost:8080/realms/one",
        "http://[::1]:8080/realms/one",
    ],
)
def test_an_issuer_is_asked_by_tls_or_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, issuer: str
) -> None:
    monkeypatch.setenv("HEALTHVISION_OIDC_ISSUER", issuer)
    assert load().oidc_issuer == issuer


def test_an_issuer_by_http_elsewhere_has_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHVISION_OIDC_ISSUER", "http://keycloak:8080/realms/one")
    monkeypatch.setenv("HEALTHVISION_OIDC_INSECURE_HTTP", "true")
    assert load().oidc_issuer == "http://keycloak:8080/realms/one"


def test_a_server_that_does_not_know_its_address_is_told_what_tokens_call_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEALTHVISION_HOST", "0.0.0.0")
    assert load().oidc_audience is None
    monkeypatch.setenv("HEALTHVISION_OIDC_ISSUER", "https://keycloak.test/realms/one")
    with pytest.raises(SettingsError, match=r"^HEALTHVISION_OIDC_AUDIENCE: .*BASE_URL"):
        load()
    monkeypatch.setenv("HEALTHVISION_OIDC_AUDIENCE", "https://fhir.test/fhir")
    assert load().oidc_audience == "https://fhir.test/fhir"
    monkeypatch.delenv("HEALTHVISION_OIDC_AUDIENCE")
    monkeypatch.setenv("HEALTHVISION_BASE_URL", "https://fhir.test")
    assert load().fhir_url == "https://fhir.test/fhir"


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = load(port=9001)
    for name, value in parent.child_environment().items():
        monkeypatch.setenv(name, value)
    assert load() == parent


def test_secrets_are_not_in_the_representation() -> None:
    settings = load()
    assert settings.token not in repr(settings)
    assert settings.worker_token not in repr(settings)


def test_origins_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHVISION_CORS_ORIGINS", "https://a.test, http://localhost:3000,")
    assert load().allowed_origins == {"https://a.test", "http://localhost:3000"}
    assert load(cors_origins="*").allowed_origins == {"*"}
    assert load(cors_origins="").allowed_origins == frozenset()


@pytest.mark.parametrize("secret", ["TOKEN", "WORKER_TOKEN", "SMART_CLIENT_SECRET"])
def test_a_secret_may_stand_in_a_file(
    secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_text("from-the-file-1\nnot this\n")
    monkeypatch.setenv(f"HEALTHVISION_{secret}_FILE", str(file))
    assert getattr(load(), secret.lower()) == "from-the-file-1"
    monkeypatch.setenv(f"HEALTHVISION_{secret}", "set-itself-1")
    assert getattr(load(), secret.lower()) == "set-itself-1"


def test_a_token_from_a_file_is_one_that_the_operator_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("from-the-file-1")
    monkeypatch.setenv("HEALTHVISION_TOKEN_FILE", str(tmp_path / "secret"))
    settings = load()
    assert settings.is_token_set
    assert settings.child_environment()["HEALTHVISION_TOKEN"] == "from-the-file-1"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_secret_file_that_holds_none_is_named_and_its_content_is_not(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("HEALTHVISION_TOKEN_FILE", str(tmp_path / "secret"))
    with pytest.raises(SettingsError, match=r"^HEALTHVISION_TOKEN_FILE: .*(read|empty)\.$"):
        load()
