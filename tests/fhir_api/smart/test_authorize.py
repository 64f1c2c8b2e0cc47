"""What may not begin: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code"""

from __future__ import annotations

import re

import httpx
import pytest

from tests.fhir_api.smart.hospital import PASSWORD, Hospital
from tests.fhir_api.smart.test_ehr_launch import assert_refused, assert_refused_at_app
from tests.smart_flows import App, Browser, Page

SCOPE = "openid user/*.rs"


def without_context(place: Hospital, browser: Browser, scope: str = SCOPE) -> tuple[App, Page]:
    """An app that asks for no patient, and where its browser ends."""
    app = place.viewer()
    return app, browser.log_in(browser.open(app.url(scope)), "house", PASSWORD)


def test_an_app_that_needs_no_patient_gets_a_token_without_one(
    place: Hospital, browser: Browser
) -> None:
    app, page = without_context(place, browser)
    said = app.exchange(app.code_of(page)).json()
    assert said["scope"] == SCOPE
    assert "patient" not in said


def test_the_request_may_be_posted(place: Hospital, browser: Browser) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#request-4: GET and POST alike"""
    app = place.viewer()
    url = app.configuration["authorization_endpoint"]
    posted = browser.client.post(url, data=app.parameters(SCOPE, launch=None))
    assert posted.status_code == 303
    page = browser.log_in(browser.open(posted.headers["location"]), "house", PASSWORD)
    assert app.exchange(app.code_of(page)).status_code == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "=" * 43}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://evil.test/fhir"}, "invalid_request"),
        ({"aud": "http://127.0.0.1/fhir"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": None}, "invalid_request"),
        ({"scope": 'openid "x"'}, "invalid_scope"),
        ({"scope": "openid  openid"}, "invalid_scope"),
        ({"scope": " ".join(f"user/Patient.r?_id={n}" for n in range(300))}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"launch": "made-up"}, "invalid_scope"),
        ({"launch": "made-up", "scope": "launch"}, "invalid_request"),
        ({"launch": "x" * 5000, "scope": "launch"}, "invalid_request"),
        ({"purpose": "TREAT"}, "invalid_request"),
        ({"nonce": "n" * 5000}, "invalid_request"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_to_the_app(
    place: Hospital, browser: Browser, changed: dict[str, str | None], error: str
) -> None:
    """https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1"""
    app = place.viewer()
    page = browser.open(app.url(str(changed.pop("scope", SCOPE) or ""), **changed))
    assert_refused_at_app(page, app, error)


def test_a_request_without_state_is_refused(place: Hospital, browser: Browser) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#request-4: state is required"""
    app = place.viewer()
    page = browser.open(app.url(SCOPE, state=None))
    assert page.url.startswith(app.redirect_uri)
    assert page.query["error"] == "invalid_request"
    assert "state" not in page.query


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.test/",
        "http://viewer.test/after/../evil",
        "http://viewer.test/after?next=https://evil.test",
        "http://viewer.test/after#fragment",
        "http://viewer.test.evil.test/after",
        "//evil.test/after",
        "/after",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://viewer.test/after\r\nSet-Cookie: a=b",
        "http://viewer.test/" + "x" * 5000,
        "",
    ],
)
@pytest.mark.parametrize("also_wrong", [{}, {"aud": "https://evil.test"}, {"purpose": "BTG"}])
def test_nobody_is_sent_to_an_address_that_the_issuer_does_not_know(
    place: Hospital, browser: Browser, redirect_uri: str, also_wrong: dict[str, str]
) -> None:
    """https://www.rfc-editor.org/rfc/rfc9700#section-4.11: no open redirects, whatever else is wrong."""
    url = place.viewer().url(SCOPE, redirect_uri=redirect_uri, **also_wrong)
    answer = browser.client.get(url)
    if answer.status_code == 303:  # the issuer says so itself
        assert answer.headers["location"].startswith(f"{place.issuer.url}/")
        answer = browser.client.get(answer.headers["location"])
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "text/html" in answer.headers["content-type"]


def test_an_app_that_nobody_knows_is_told_so_on_a_page(place: Hospital, browser: Browser) -> None:
    answer = browser.client.get(place.viewer().url("launch/patient", client_id="nobody"))
    assert answer.status_code == 400
    assert "not registered" in answer.text


def test_a_challenge_is_taken_once(place: Hospital, browser: Browser) -> None:
    """Who saw a challenge in a URL cannot put another launch in its place."""
    app, page = without_context(place, browser)
    assert app.code_of(page)
    again = browser.open(app.url(SCOPE, state="another"))
    assert again.query["error"] == "invalid_request"


PARAMETERS = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "aud",
    "code_challenge",
    "code_challenge_method",
    "launch",
    "purpose",
    "nonce",
    "prompt",
    "made_up",
)
INJECTION = "\"'><script>alert(1)</script>{{7*7}}"


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_parameter_becomes_part_of_a_page(place: Hospital, browser: Browser, name: str) -> None:
    asked = place.viewer().parameters("launch/patient") | {name: INJECTION}
    for changed in (asked, asked | {"redirect_uri": "https://evil.test"}):
        answer = browser.client.get(f"{place.url}/auth/authorize", params=changed)
        assert "<script>" not in answer.text
        assert "49" not in re.sub(r"[0-9a-f]{3,}", "", answer.text)
        if "text/html" in answer.headers.get("content-type", ""):
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"a{n}=1" for n in range(2000)),
        "client_id=a&client_id=b",
        "client_id=%ff%fe",
        "client_id=%00",
        "state=" + "s" * 15_000,
        "&&&=&=",
        "",
    ],
)
def test_nonsense_is_a_page_that_says_so(place: Hospital, query: str) -> None:
    answer = httpx.get(f"{place.url}/auth/authorize?{query}", trust_env=False)
    assert answer.status_code == 400
    assert "cannot be opened" in answer.text


def test_what_the_issuer_alone_understands_is_handed_on(place: Hospital, browser: Browser) -> None:
    """https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest"""
    app = place.viewer()
    page = browser.open(app.url(SCOPE, prompt="none"))
    assert page.query["error"] == "login_required"


def test_nothing_else_lies_below_auth(place: Hospital) -> None:
    assert httpx.get(f"{place.url}/auth/register", trust_env=False).status_code == 404
    assert httpx.get(f"{place.url}/auth/token", trust_env=False).status_code == 405


def test_a_form_that_is_too_long_is_refused(place: Hospital) -> None:
    answer = httpx.post(f"{place.url}/auth/token", data={"code": "x" * 100_000}, trust_env=False)
    assert_refused(answer, "invalid_request")
