"""Tokens given back (RFC 7009), and asked about (RFC 7662)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.deployment import OPERATOR_TOKEN
from tests.fhir_api.smart.hospital import (
    ANNA,
    PASSWORD,
    PORTAL,
    SERVER,
    SERVER_SECRET,
    VIEWER,
    Hospital,
)
from tests.fhir_api.smart.test_ehr_launch import assert_refused
from tests.smart_flows import App, Browser, ehr_launch

SCOPE = "launch openid fhirUser offline_access patient/*.rs"


@pytest.fixture
def app(place: Hospital) -> App:
    return place.viewer()


@pytest.fixture
def tokens(place: Hospital, browser: Browser, app: App) -> dict[str, Any]:
    launch = place.launch(encounter="e-anna")
    answer: dict[str, Any] = ehr_launch(browser, app, launch, SCOPE, "house", PASSWORD).json()
    return answer


def introspected(place: Hospital, token: str, bearer: str = "") -> httpx.Response:
    url = f"{place.url}/auth/introspect"
    if bearer:
        headers = {"Authorization": f"Bearer {bearer}"}
        return httpx.post(url, data={"token": token}, headers=headers, trust_env=False)
    auth = (SERVER, SERVER_SECRET)
    return httpx.post(url, data={"token": token}, auth=auth, trust_env=False)


def test_what_an_app_gives_back_opens_nothing_from_that_moment(
    app: App, tokens: dict[str, Any]
) -> None:
    token = tokens["access_token"]
    assert app.get(f"Patient/{ANNA}", token).status_code == 200
    answer = app.post("revocation", token=token)
    assert (answer.status_code, answer.json()) == (200, {})
    refused = app.get(f"Patient/{ANNA}", token)
    assert refused.status_code == 401
    assert app.refresh(tokens["refresh_token"]).status_code == 200


def test_with_a_refresh_token_ends_what_came_of_it(app: App, tokens: dict[str, Any]) -> None:
    """https://www.rfc-editor.org/rfc/rfc7009#section-2.1"""
    token = tokens["refresh_token"]
    answer = app.post("revocation", token=token, token_type_hint="refresh_token")
    assert answer.status_code == 200
    assert app.get(f"Patient/{ANNA}", tokens["access_token"]).status_code == 401
    assert_refused(app.refresh(token), "invalid_grant")


def test_a_token_that_is_none_is_as_good_as_revoked(app: App) -> None:
    """https://www.rfc-editor.org/rfc/rfc7009#section-2.2"""
    assert app.post("revocation", token="nonsense").status_code == 200
    assert_refused(app.post("revocation"), "invalid_request")


def test_nobody_revokes_another_apps_tokens(
    place: Hospital, app: App, tokens: dict[str, Any]
) -> None:
    other = place.other()
    for token in (tokens["access_token"], tokens["refresh_token"]):
        answer = other.post("revocation", token=token)
        assert answer.json()["error"] == "invalid_token"
    assert app.get(f"Patient/{ANNA}", tokens["access_token"]).status_code == 200
    assert app.refresh(tokens["refresh_token"]).status_code == 200


def test_introspection_tells_what_the_token_response_told(
    place: Hospital, tokens: dict[str, Any]
) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html"""
    for bearer in ("", OPERATOR_TOKEN, place.ehr_token()):
        said = introspected(place, tokens["access_token"], bearer).json()
        assert said["active"] is True
        assert said["scope"] == SCOPE
        assert said["client_id"] == VIEWER
        assert said["iss"] == place.issuer.url
        assert said["sub"] == "sub-house"
        assert said["fhirUser"] == f"{place.fhir}/Practitioner/house"
        for name in ("patient", "encounter", "need_patient_banner", "smart_style_url"):
            assert said[name] == tokens[name]


def test_of_a_token_that_does_not_hold_nothing_is_told(
    place: Hospital, app: App, tokens: dict[str, Any]
) -> None:
    """https://www.rfc-editor.org/rfc/rfc7662#section-2.2"""
    app.post("revocation", token=tokens["access_token"])
    for token in (tokens["access_token"], tokens["refresh_token"], "nonsense"):
        answer = introspected(place, token)
        assert (answer.status_code, answer.json()) == (200, {"active": False})


def test_only_those_who_may_ask_are_answered(
    place: Hospital, app: App, tokens: dict[str, Any]
) -> None:
    """https://www.rfc-editor.org/rfc/rfc7662#section-2.1"""
    token = tokens["access_token"]
    refused = introspected(place, token, place.issuer.token_without_launch(VIEWER, "audrey", "x"))
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert introspected(place, token, "nonsense").status_code == 401
    assert app.post("introspection", token=token).status_code >= 400
    wrong = httpx.post(
        f"{place.url}/auth/introspect", data={"token": token}, auth=(PORTAL, "x"), trust_env=False
    )
    assert_refused(wrong, "invalid_client")
    assert_refused(
        httpx.post(f"{place.url}/auth/introspect", data={"token": token}, trust_env=False),
        "invalid_client",
    )
