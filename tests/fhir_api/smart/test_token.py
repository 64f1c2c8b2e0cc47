"""What gives no token: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.responses import HTMLResponse, JSONResponse, Response

from fhir_api.smart.authorizations import PENDING, Authorization, Pending
from tests.authorization_server import Client
from tests.fhir_api.smart.hospital import (
    ANNA,
    OTHER,
    PASSWORD,
    PORTAL,
    VIEWER,
    Hospital,
    hospital,
)
from tests.fhir_api.smart.test_ehr_launch import assert_refused
from tests.smart_flows import App, Browser

SCOPE = "launch openid offline_access patient/*.rs"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def coded(place: Hospital, browser: Browser, app: App) -> str:
    """A code of an EHR launch on Anna."""
    page = browser.open(app.url(SCOPE, launch=place.launch()))
    return app.code_of(browser.log_in(page, "house", PASSWORD))


def test_a_code_works_once(place: Hospital, browser: Browser) -> None:
    app = place.viewer()
    code = coded(place, browser, app)
    assert app.exchange(code).status_code == 200
    assert_refused(app.exchange(code), "invalid_grant")


def test_of_many_who_use_one_code_at_once_one_gets_a_token(
    place: Hospital, browser: Browser
) -> None:
    app = place.viewer()
    code = coded(place, browser, app)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: app.exchange(code), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[400] * 7]


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "a" * 43},
        {"code_verifier": ""},
        {"code_verifier": "short"},
        {"code_verifier": "é" * 43},
        {"code": "made-up"},
        {"redirect_uri": "http://viewer.test/after/"},
        {"redirect_uri": "https://evil.test/"},
        {"redirect_uri": ""},
        {"client_id": OTHER},
        {"client_id": "nobody"},
    ],
)
def test_what_is_wrong_with_an_exchange_gives_nothing(
    place: Hospital, browser: Browser, changed: dict[str, str]
) -> None:
    app = place.viewer()
    code = coded(place, browser, app)
    assert_refused(app.exchange(**({"code": code} | changed)), "invalid_grant")  # type: ignore[arg-type]
    assert app.exchange(code).json()["patient"] == ANNA


def test_an_authorization_ends_by_itself(place: Hospital, browser: Browser) -> None:
    """Somebody who signs in after that has to open the app again."""
    app = place.viewer()
    wanted = Authorization(VIEWER, app.redirect_uri, "s", SCOPE, app.challenge, patient=ANNA)
    place.keep(lambda now_us: PENDING.write(app.challenge, Pending(now_us, wanted), now_us))
    assert_refused(app.exchange("any"), "invalid_grant")


def test_the_challenge_is_no_verifier(place: Hospital, browser: Browser) -> None:
    """What stands in the URL (plain PKCE) proves nothing: https://www.rfc-editor.org/rfc/rfc7636#section-7.2"""
    app = place.viewer()
    code = coded(place, browser, app)
    assert_refused(app.exchange(code, code_verifier=app.challenge), "invalid_grant")


def test_another_apps_code_is_no_use(place: Hospital, browser: Browser) -> None:
    app, thief = place.viewer(), place.other()
    code = coded(place, browser, app)
    thief.verifier, thief.redirect_uri = app.verifier, app.redirect_uri
    assert_refused(thief.exchange(code), "invalid_grant")


def test_a_code_got_around_the_facade_has_no_context(place: Hospital, browser: Browser) -> None:
    """The issuer's own endpoints know no launch: what they give opens no patient, and is not exchanged here."""
    app = place.viewer()
    query = app.parameters("openid patient/*.rs", aud=None)
    page = browser.open(
        f"{place.issuer.url}/protocol/openid-connect/auth?{httpx.QueryParams(query)}"
    )
    code = app.code_of(browser.log_in(page, "house", PASSWORD))
    assert_refused(app.exchange(code), "invalid_grant")


def test_a_refresh_token_got_around_the_facade_is_no_use_here(place: Hospital) -> None:
    place.issuer.refresh_tokens["r"] = {"client": VIEWER, "user": "house", "scope": SCOPE}
    assert_refused(place.viewer().refresh("r"), "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        (
            {"grant_type": "password", "username": "house", "password": "x"},
            "unsupported_grant_type",
        ),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x" * 20_000}, "invalid_request"),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"},
            "unsupported_grant_type",
        ),
    ],
)
def test_what_is_no_request_is_refused(place: Hospital, form: dict[str, str], error: str) -> None:
    assert_refused(place.viewer().post("token", **form), error)


@pytest.mark.parametrize(
    "sent",
    [
        {"content": b"{}", "headers": {"Content-Type": "application/json"}},
        {
            "content": b"client_id=a&client_id=b",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
        {
            "content": b"client_id=%ff",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
    ],
)
def test_what_is_no_form_is_refused(place: Hospital, sent: dict[str, Any]) -> None:
    answer = httpx.post(f"{place.url}/auth/token", trust_env=False, **sent)
    assert_refused(answer, "invalid_request")


@pytest.mark.parametrize(
    ("form", "authorization"),
    [
        ({}, None),
        ({"client_id": VIEWER}, "Basic bm9ib2R5OngK"),
        ({}, "Basic %%%"),
        (
            {"client_id": VIEWER, "client_assertion": "a.b.c", "client_assertion_type": ASSERTION},
            None,
        ),
        ({"client_id": OTHER, "client_secret": "wrong"}, None),
    ],
)
def test_who_does_not_say_which_client_it_is_gets_nothing(
    place: Hospital, form: dict[str, str], authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    asked = {"grant_type": "client_credentials", "scope": "system/*.rs", **form}
    answer = httpx.post(f"{place.url}/auth/token", data=asked, headers=headers, trust_env=False)
    assert_refused(answer, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_who_guesses_a_clients_secret_has_to_wait_and_other_clients_do_not(tmp_path: Path) -> None:
    """https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1: brute force at the token endpoint."""
    with hospital(tmp_path, failure_rate=3) as place:

        def asked(client: str) -> httpx.Response:
            form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": client}
            form["client_secret"] = "a guess"
            return httpx.post(f"{place.url}/auth/token", data=form, trust_env=False)

        assert [asked(OTHER).status_code for _ in range(4)] == [401, 401, 401, 429]
        refused = asked(OTHER)
        assert refused.json()["error"] == "temporarily_unavailable"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert asked(PORTAL).status_code == 401


@pytest.fixture
def bad_day(place: Hospital) -> Iterator[Hospital]:
    yield place
    place.issuer.fails_with = None


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (HTMLResponse("<h1>Keycloak</h1>", 500), 503, "temporarily_unavailable"),
        (HTMLResponse("<h1>Keycloak</h1>", 400), 503, "temporarily_unavailable"),
        (
            JSONResponse({"error": "<b>", "error_description": "<script>"}, 400),
            400,
            "invalid_request",
        ),
        (
            JSONResponse({"error": "invalid_scope", "error_description": "x"}, 400),
            400,
            "invalid_scope",
        ),
        (JSONResponse({}, 200), 500, "server_error"),
        (JSONResponse([1], 200), 500, "server_error"),
        (Response(b"x" * 1_000_000, 200), 503, "temporarily_unavailable"),
    ],
)
def test_the_issuers_words_are_never_the_answer(
    bad_day: Hospital, browser: Browser, answer: Response, status: int, error: str
) -> None:
    app = bad_day.viewer()
    code = coded(bad_day, browser, app)
    bad_day.issuer.fails_with = answer
    got = app.exchange(code)
    assert (got.status_code, got.json()["error"]) == (status, error)
    assert "Keycloak" not in got.text
    assert "<" not in got.text
    bad_day.issuer.fails_with = None
    assert app.exchange(code).status_code == 200


@pytest.fixture
def service(place: Hospital) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP384R1())
    place.issuer.clients["report-reader"] = Client(
        key=key.public_key(), service_roles=("operator",)
    )
    return key


def assertion(place: Hospital, key: ec.EllipticCurvePrivateKey, **claims: Any) -> dict[str, str]:
    said = {
        "iss": "report-reader",
        "sub": "report-reader",
        "aud": f"{place.issuer.url}/protocol/openid-connect/token",
        "jti": "j",
        "exp": int(time.time()) + 60,
        **claims,
    }
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION,
        "client_assertion": jwt.encode(said, key, "ES384"),
    }


def test_a_service_gets_a_token_by_its_key(
    place: Hospital, service: ec.EllipticCurvePrivateKey
) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token"""
    form = assertion(place, service) | {
        "scope": "system/Observation.rs?status=final system/Patient.rs"
    }
    answer = httpx.post(f"{place.url}/auth/token", data=form, trust_env=False)
    said = answer.json()
    assert said["scope"] == "system/Observation.rs?status=final system/Patient.rs"
    assert 0 < said["expires_in"] <= 300
    assert set(said) == {"access_token", "token_type", "expires_in", "scope"}


@pytest.mark.parametrize("wrong", [{"aud": "https://evil.test"}, {"exp": 1}, {"iss": "somebody"}])
def test_a_services_key_has_to_prove_it_for_here_and_now(
    place: Hospital, service: ec.EllipticCurvePrivateKey, wrong: dict[str, Any]
) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#signature-verification"""
    form = assertion(place, service, **wrong) | {"scope": "system/Patient.rs"}
    answer = httpx.post(f"{place.url}/auth/token", data=form, trust_env=False)
    assert_refused(answer, "invalid_client")


def test_a_service_that_signs_for_this_server_is_told_for_whom_to_sign(
    place: Hospital, service: ec.EllipticCurvePrivateKey
) -> None:
    """Keycloak takes one audience, its own (ADR 17)."""
    form = assertion(place, service, aud=f"{place.url}/auth/token") | {"scope": "system/Patient.rs"}
    answer = httpx.post(f"{place.url}/auth/token", data=form, trust_env=False)
    assert_refused(answer, "invalid_client")
    assert f"{place.issuer.url}/protocol/openid-connect/token" in answer.json()["error_description"]


def test_a_service_that_asks_for_what_nobody_knows_gets_nothing(
    place: Hospital, service: ec.EllipticCurvePrivateKey
) -> None:
    form = assertion(place, service) | {"scope": "made-up"}
    answer = httpx.post(f"{place.url}/auth/token", data=form, trust_env=False)
    assert_refused(answer, "invalid_scope")
