"""A person chooses the patient: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-standalone-launch"""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.fhir_api.smart.hospital import ANNA, BERT, PASSWORD, SERVER, Hospital
from tests.fhir_api.smart.test_ehr_launch import assert_refused, assert_refused_at_app
from tests.smart_flows import App, Browser, Page, standalone_launch

SCOPE = "launch/patient openid fhirUser patient/*.rs"


def at_picker(place: Hospital, browser: Browser, app: App, user: str = "house") -> Page:
    """The picker before anything was looked for."""
    page = browser.log_in(browser.open(app.url(SCOPE)), user, PASSWORD)
    assert page.url.startswith(f"{place.url}/auth/patient/"), page.text
    return page


def test_the_person_looks_for_the_patient_and_chooses(place: Hospital, browser: Browser) -> None:
    answer = standalone_launch(
        browser,
        place.viewer(),
        SCOPE,
        "house",
        PASSWORD,
        BERT,
        name="quist",
        birthdate="1971-03-02",
    )
    said = answer.json()
    assert (said["patient"], said["scope"]) == (BERT, SCOPE)
    assert said["need_patient_banner"] is True


def test_who_asks_for_a_patients_data_has_to_get_a_patient(
    place: Hospital, browser: Browser
) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#apps-that-launch-from-the-ehr"""
    scope = "openid patient/Observation.rs"
    answer = standalone_launch(
        browser, place.viewer(), scope, "house", PASSWORD, ANNA, identifier="A-1"
    )
    assert answer.json()["patient"] == ANNA


def test_a_list_is_paged_and_shows_what_tells_patients_apart(
    place: Hospital, browser: Browser
) -> None:
    page = browser.submit(at_picker(place, browser, place.viewer()), "search", name="Many")
    assert page.text.count('value="choose"') == 10
    assert "N00" in page.text
    assert "1980-01-01" in page.text
    assert "M-0" in page.text
    for _ in range(2):
        page = browser.submit(page, "more")
    assert page.text.count('value="choose"') == 5
    assert "N24" in page.text
    assert "Next patients" not in page.text


@pytest.mark.parametrize(
    ("sought", "told"),
    [
        ({}, "Enter a name"),
        ({"birthdate": "yesterday"}, "year-month-day"),
        ({"name": "Nobody"}, "No patient found"),
        ({"name": "a,b$c\\|"}, "No patient found"),
        ({"identifier": "|"}, "cannot be searched"),
    ],
)
def test_the_page_says_what_to_do_next(
    place: Hospital, browser: Browser, sought: dict[str, str], told: str
) -> None:
    page = browser.submit(at_picker(place, browser, place.viewer()), "search", **sought)
    assert page.status == 200
    assert told in page.text


@pytest.mark.parametrize(
    "query", ["_format=html", "_summary=count", "_format=xml&name=Quist", "birthdate=x"]
)
def test_a_page_that_somebody_made_up_is_no_page(
    place: Hospital, browser: Browser, query: str
) -> None:
    page = at_picker(place, browser, place.viewer())
    form = {**page.forms[0].fields, "do": "more", "page": query, "name": "Quist"}
    answer = browser.client.post(page.url, data=form)
    assert answer.status_code == 200
    assert 'value="choose"' not in answer.text


def test_what_was_typed_is_shown_as_text(place: Hospital, browser: Browser) -> None:
    page = at_picker(place, browser, place.viewer())
    page = browser.submit(page, "search", name='"><script>x</script>', identifier="{{7*7}}")
    assert "<script>" not in page.text
    assert "{{7*7}}" in page.text
    assert "%22" not in page.url


def test_no_url_says_anything_of_a_patient(place: Hospital, browser: Browser) -> None:
    """Browsers and proxies keep addresses: names, dates and ids of patients travel in bodies."""
    seen: list[str] = []
    browser.client.event_hooks["request"] = [lambda request: seen.append(str(request.url))]
    standalone_launch(browser, place.viewer(), SCOPE, "house", PASSWORD, ANNA, name="Quist")
    assert len(seen) > 5
    assert not any(word in url for url in seen for word in ("Quist", "anna", "1970"))


def test_pages_stand_in_no_frame_and_run_nothing(place: Hospital, browser: Browser) -> None:
    headers = at_picker(place, browser, place.viewer()).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


def test_the_pages_cookie_is_for_this_launch_and_this_server_alone(
    place: Hospital, browser: Browser
) -> None:
    answer = browser.client.get(place.viewer().url(SCOPE))
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    again = browser.client.get(place.viewer().url(SCOPE)).headers["set-cookie"]
    assert again.partition("=")[0] != cookie.partition("=")[0]


def test_cancelling_goes_back_to_the_app(place: Hospital, browser: Browser) -> None:
    """https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1"""
    app = place.viewer()
    page = browser.submit(at_picker(place, browser, app), "cancel")
    assert_refused_at_app(page, app, "access_denied")


def test_two_pickers_side_by_side_know_nothing_of_each_other(
    place: Hospital, browser: Browser
) -> None:
    first, second = place.viewer(), place.other()
    one, two = at_picker(place, browser, first), at_picker(place, browser, second)
    one = browser.submit(one, "search", name="Anna")
    two = browser.submit(two, "search", name="Bert")
    code_of_second = second.code_of(browser.submit(two, "choose", patient=BERT))
    code_of_first = first.code_of(browser.submit(one, "choose", patient=ANNA))
    assert first.exchange(code_of_first).json()["patient"] == ANNA
    assert second.exchange(code_of_second).json()["patient"] == BERT


def test_a_form_of_one_picker_is_not_taken_by_another(place: Hospital, browser: Browser) -> None:
    one = at_picker(place, browser, place.viewer())
    two = at_picker(place, browser, place.viewer())
    key = one.forms[0].fields["key"]
    answer = browser.client.post(two.url, data={"key": key, "do": "choose", "patient": ANNA})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_no_other_page_can_send_the_form(
    place: Hospital, browser: Browser, headers: dict[str, str]
) -> None:
    page = at_picker(place, browser, place.viewer())
    form = {**page.forms[0].fields, "do": "choose", "patient": ANNA}
    answer = browser.client.post(page.url, data=form, headers=headers)
    assert answer.status_code == 403
    assert ANNA not in answer.text


@pytest.mark.parametrize("key", ["", "0" * 64, "é"])
def test_a_form_without_its_key_does_nothing(place: Hospital, browser: Browser, key: str) -> None:
    page = at_picker(place, browser, place.viewer())
    answer = browser.client.post(page.url, data={"key": key, "do": "choose", "patient": ANNA})
    assert answer.status_code == 403


def test_the_page_belongs_to_the_browser_that_began(place: Hospital, browser: Browser) -> None:
    """Its address alone, wherever it was seen, opens nothing."""
    page = at_picker(place, browser, place.viewer())
    with httpx.Client(trust_env=False) as stranger:
        assert stranger.get(page.url).status_code == 400
        form = {**page.forms[0].fields, "do": "search", "name": "Quist"}
        answer = stranger.post(page.url, data=form)
        assert answer.status_code == 400
        assert "Quist" not in answer.text


def test_signing_somebody_else_in_with_ones_own_code_does_not_work(
    place: Hospital, browser: Browser
) -> None:
    """Login CSRF: the callback is taken by the browser that was sent to sign in, and once."""
    began = browser.client.get(place.viewer().url(SCOPE))
    at_issuer = browser.open(began.headers["location"])
    form = at_issuer.forms[0]
    answer = browser.client.post(
        f"{place.issuer.url.removesuffix('/realms/hospital')}{form.action}",
        data={"username": "house", "password": PASSWORD},
    )
    callback = answer.headers["location"]
    with httpx.Client(trust_env=False) as victim:
        assert victim.get(callback).status_code == 400
    assert browser.client.get(callback).status_code == 303
    assert browser.client.get(callback).status_code == 400


def test_who_cannot_be_signed_in_is_told_so(place: Hospital, browser: Browser) -> None:
    """The issuer refuses this server's own client, say, or its tokens are for somebody else."""
    at_issuer = browser.open(place.viewer().url(SCOPE))
    server = place.issuer.clients[SERVER]
    place.issuer.clients[SERVER] = replace(server, secret="changed meanwhile")
    page = browser.log_in(at_issuer, "house", PASSWORD)
    place.issuer.clients[SERVER] = server
    assert page.status == 403
    assert "You could not be signed in." in page.text


def test_what_is_not_there_cannot_be_chosen(place: Hospital, browser: Browser) -> None:
    page = at_picker(place, browser, place.viewer())
    for patient in ("nobody", "../Task", "", "x" * 5000):
        form = {**page.forms[0].fields, "do": "choose", "patient": patient}
        assert browser.client.post(page.url, data=form).status_code == 400


def test_a_choice_is_made_once(place: Hospital, browser: Browser) -> None:
    page = at_picker(place, browser, place.viewer())
    form = {**page.forms[0].fields, "do": "choose", "patient": ANNA}
    assert browser.client.post(page.url, data=form).status_code == 200
    answer = browser.client.post(page.url, data={**form, "patient": BERT})
    assert answer.status_code == 400
    assert "Open the app again" in answer.text


def test_the_token_is_for_the_person_who_chose(place: Hospital, browser: Browser) -> None:
    """Somebody else signs in at the issuer, in the same browser, between the page and the code."""
    app = place.viewer()
    page = at_picker(place, browser, app)
    form = {**page.forms[0].fields, "do": "choose", "patient": ANNA}
    onward = browser.client.post(page.url, data=form)
    place.issuer.sessions = dict.fromkeys(place.issuer.sessions, "ray")
    url = Page("", 200, onward.text, onward.headers).onward
    assert_refused(app.exchange(app.code_of(browser.open(url))), "invalid_grant")


def test_a_patient_is_asked_nothing_and_gets_the_own_record(
    place: Hospital, browser: Browser
) -> None:
    app = place.viewer()
    page = browser.log_in(browser.open(app.url(SCOPE)), ANNA, PASSWORD)
    said = app.exchange(app.code_of(page)).json()
    assert said["patient"] == ANNA


def test_who_may_see_no_patient_finds_none(place: Hospital, browser: Browser) -> None:
    page = at_picker(place, browser, place.viewer(), "audrey")
    found = browser.submit(page, "search", name="Quist")
    assert found.status == 403
    assert "Anna" not in found.text
    form = {**page.forms[0].fields, "do": "choose", "patient": ANNA}
    assert browser.client.post(page.url, data=form).status_code == 400
