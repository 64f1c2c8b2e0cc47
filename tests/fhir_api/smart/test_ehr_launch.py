"""An EHR opens an app on a patient: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from fhir_api.smart.launches import LAUNCHES, LIFETIME_S, Launch
from fhir_api.smart.oauth import STATUS
from tests.authorization_server import User
from tests.deployment import OPERATOR_TOKEN
from tests.fhir_api.smart.hospital import ANNA, BERT, PASSWORD, VIEWER, Hospital
from tests.smart_flows import App, Browser, ehr_launch, make_launch

SCOPE = "launch openid fhirUser offline_access patient/*.rs"


def launched(
    place: Hospital, browser: Browser, app: App, scope: str = SCOPE, **wish: str
) -> httpx.Response:
    return ehr_launch(browser, app, place.launch(**wish), scope, "house", PASSWORD)


def test_the_app_gets_the_patient_that_the_ehr_has_open(place: Hospital, browser: Browser) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-5"""
    answer = launched(place, browser, place.viewer(), encounter="e-anna", intent="show-report")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    said = answer.json()
    assert said["token_type"] == "Bearer"
    assert 0 < said["expires_in"] <= 300
    assert said["scope"] == SCOPE
    assert (said["patient"], said["encounter"], said["intent"]) == (ANNA, "e-anna", "show-report")
    assert said["need_patient_banner"] is True
    style = httpx.get(said["smart_style_url"], trust_env=False)
    assert style.json()["color_background"] == "#ffffff"
    identity = jwt.decode(said["id_token"], options={"verify_signature": False})
    assert identity["fhirUser"] == "Practitioner/house"
    assert identity["aud"] == VIEWER


def test_the_token_opens_the_record(place: Hospital, browser: Browser) -> None:
    app = place.viewer()
    token = launched(place, browser, app).json()["access_token"]
    assert app.get(f"Patient/{ANNA}", token).status_code == 200


def test_it_opens_no_other_patients_record(place: Hospital, browser: Browser) -> None:
    app = place.viewer()
    token = launched(place, browser, app).json()["access_token"]
    assert app.get(f"Patient/{BERT}", token).status_code == 404
    assert app.get("Patient?name=Quist&_total=accurate", token).json()["total"] == 1


def test_the_same_token_without_the_facade_opens_nobodys(place: Hospital) -> None:
    token = place.issuer.token_without_launch(VIEWER, "house", "patient/*.rs")
    assert place.viewer().get(f"Patient/{ANNA}", token).status_code == 403


def test_the_app_need_not_show_a_banner_where_the_ehr_says_so(
    place: Hospital, browser: Browser
) -> None:
    launch = place.launch(need_patient_banner=False)
    answer = ehr_launch(browser, place.viewer(), launch, SCOPE, "house", PASSWORD)
    assert answer.json()["need_patient_banner"] is False


def test_scopes_with_a_restriction_are_granted_as_they_were_asked_for(
    place: Hospital, browser: Browser
) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters"""
    scope = "launch patient/Observation.rs?category=laboratory patient/Patient.read"
    said = launched(place, browser, place.viewer(), scope).json()
    assert said["scope"] == scope
    assert "patient/Observation.rs patient/Patient.rs" in place.issuer.asked_scopes[-1]


def test_without_offline_or_online_access_there_is_nothing_to_refresh_with(
    place: Hospital, browser: Browser
) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-a-refresh-token"""
    said = launched(place, browser, place.viewer(), "launch patient/*.rs").json()
    assert "refresh_token" not in said
    assert "id_token" not in said


def test_a_refreshed_token_has_the_same_patient(place: Hospital, browser: Browser) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#refresh-access-token"""
    app = place.viewer()
    first = launched(place, browser, app).json()
    again = app.refresh(first["refresh_token"]).json()
    assert (again["patient"], again["scope"]) == (ANNA, SCOPE)
    assert again["access_token"] != first["access_token"]
    assert app.get(f"Patient/{ANNA}", again["access_token"]).status_code == 200
    third = app.refresh(again["refresh_token"], scope="patient/Observation.rs openid").json()
    assert third["scope"] == "patient/Observation.rs openid"
    assert app.refresh(third["refresh_token"]).json()["scope"] == SCOPE


def test_a_refresh_never_widens_what_was_granted(place: Hospital, browser: Browser) -> None:
    app = place.viewer()
    first = launched(place, browser, app).json()
    answer = app.refresh(first["refresh_token"], scope="user/*.cruds patient/*.cruds")
    assert answer.json()["scope"] == "patient/*.rs"


def test_a_refresh_token_works_for_its_own_app_and_once(place: Hospital, browser: Browser) -> None:
    app, other = place.viewer(), place.other()
    token = launched(place, browser, app).json()["refresh_token"]
    assert_refused(other.refresh(token), "invalid_grant")
    assert app.refresh(token).status_code == 200
    assert_refused(app.refresh(token), "invalid_grant")


def test_who_may_not_see_the_patient_any_more_gets_no_new_token(
    place: Hospital, browser: Browser
) -> None:
    app = place.viewer()
    token = launched(place, browser, app).json()["refresh_token"]
    house = place.issuer.users["house"]
    place.issuer.users["house"] = User(house.password, house.fhir_user, ("auditor",))
    refused = app.refresh(token)
    place.issuer.users["house"] = house
    assert_refused(refused, "invalid_grant")


def test_one_users_two_patients_stay_apart_in_one_browser(
    place: Hospital, browser: Browser
) -> None:
    """Two apps are opened on two patients before either has its code: what the issuer keeps for the session is shared."""
    first, second = place.viewer(), place.viewer()
    one = first.url(SCOPE, launch=place.launch(ANNA))
    two = second.url(SCOPE, launch=place.launch(BERT))
    page = browser.log_in(browser.open(one), "house", PASSWORD)
    code_of_first = first.code_of(page)
    code_of_second = second.code_of(browser.open(two))
    assert second.exchange(code_of_second).json()["patient"] == BERT
    assert first.exchange(code_of_first).json()["patient"] == ANNA


def test_codes_and_verifiers_of_two_launches_cannot_be_mixed(
    place: Hospital, browser: Browser
) -> None:
    first, second = place.viewer(), place.viewer()
    page = browser.open(first.url(SCOPE, launch=place.launch(ANNA)))
    code_of_first = first.code_of(browser.log_in(page, "house", PASSWORD))
    code_of_second = second.code_of(browser.open(second.url(SCOPE, launch=place.launch(BERT))))
    assert_refused(first.exchange(code_of_second), "invalid_grant")
    assert_refused(second.exchange(code_of_first), "invalid_grant")


def test_a_launch_works_once(place: Hospital, browser: Browser) -> None:
    launch = place.launch()
    app, again = place.viewer(), place.viewer()
    page = browser.log_in(browser.open(app.url(SCOPE, launch=launch)), "house", PASSWORD)
    assert app.code_of(page)
    page = browser.open(again.url(SCOPE, launch=launch))
    assert_refused_at_app(page, again, "invalid_request")


def test_a_look_at_a_launchs_url_does_not_use_it_up(place: Hospital, browser: Browser) -> None:
    app = place.viewer()
    url = app.url(SCOPE, launch=place.launch())
    assert browser.client.head(url).status_code == 405
    code = app.code_of(browser.log_in(browser.open(url), "house", PASSWORD))
    assert app.exchange(code).status_code == 200


def test_a_launch_ends_by_itself(place: Hospital, browser: Browser) -> None:
    launch = make_launch(place.fhir, OPERATOR_TOKEN, patient=ANNA).json()
    assert launch["expires_in"] == LIFETIME_S
    place.keep(lambda now_us: LAUNCHES.write("ended", Launch(now_us, patient=ANNA), now_us))
    for handle in ("ended", launch["launch"][:-1]):
        app = place.viewer()
        page = browser.open(app.url(SCOPE, launch=handle))
        assert_refused_at_app(page, app, "invalid_request")


def test_a_launch_for_one_app_is_none_for_another(place: Hospital, browser: Browser) -> None:
    launch = place.launch(client=VIEWER)
    other = place.other()
    assert_refused_at_app(browser.open(other.url(SCOPE, launch=launch)), other, "invalid_request")
    answer = ehr_launch(browser, place.viewer(), launch, SCOPE, "house", PASSWORD)
    assert answer.json()["patient"] == ANNA


def test_a_launch_of_one_user_is_none_for_another_who_is_signed_in(
    place: Hospital, browser: Browser
) -> None:
    app = place.viewer()
    page = browser.open(app.url(SCOPE, launch=place.launch(user="house")))
    code = app.code_of(browser.log_in(page, "ray", PASSWORD))
    assert_refused(app.exchange(code), "invalid_grant")


def test_a_patient_is_not_launched_on_another_patients_record(
    place: Hospital, browser: Browser
) -> None:
    launch = make_launch(place.fhir, OPERATOR_TOKEN, patient=BERT).json()["launch"]
    app = place.viewer()
    code = app.code_of(browser.log_in(browser.open(app.url(SCOPE, launch=launch)), ANNA, PASSWORD))
    assert_refused(app.exchange(code), "invalid_grant")


def test_a_launch_opens_no_patient_whom_the_user_may_not_see(
    place: Hospital, browser: Browser
) -> None:
    """An auditor has no patients, whatever an EHR without a user of its own says."""
    launch = make_launch(place.fhir, OPERATOR_TOKEN, patient=BERT).json()["launch"]
    app = place.viewer()
    page = browser.log_in(browser.open(app.url(SCOPE, launch=launch)), "audrey", PASSWORD)
    assert_refused(app.exchange(app.code_of(page)), "invalid_grant")


@pytest.mark.parametrize(
    ("token", "error"),
    [("nonsense", "invalid_token"), ("viewer", "insufficient_scope")],
)
def test_only_the_ehr_makes_launches(place: Hospital, token: str, error: str) -> None:
    if token == "viewer":
        token = place.issuer.token_without_launch(VIEWER, "audrey", "user/*.rs")
    answer = make_launch(place.fhir, token, patient=ANNA)
    assert answer.json()["error"] == error
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "wish",
    [
        {"patient": "nobody"},
        {"patient": "../Task/1"},
        {"patient": BERT, "encounter": "e-anna"},
        {"encounter": "e-anna"},
        {"patient": ANNA, "more": 1},
        {"patient": ANNA, "user": "https://elsewhere.test/Practitioner/house"},
        {"patient": ANNA, "intent": "a\nb"},
        {"patient": ANNA, "intent": "x" * 200},
    ],
)
def test_what_cannot_be_launched_is_refused(place: Hospital, wish: dict[str, str]) -> None:
    assert_refused(make_launch(place.fhir, place.ehr_token(), **wish), "invalid_request")


def assert_refused(answer: httpx.Response, error: str) -> None:
    """RFC 6749 §5.2: JSON, whatever the issuer said, and nothing that could be used."""
    assert answer.status_code == STATUS.get(error, 400), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.json()["error"] == error


def assert_refused_at_app(page: object, app: App, error: str) -> None:
    """RFC 6749 §4.1.2.1: the app is told, with its state."""
    url, query = page.url, page.query  # type: ignore[attr-defined]
    assert url.startswith(app.redirect_uri), page
    assert urlsplit(url).fragment == ""
    assert query["error"] == error, query
    assert query["state"] == app.state
