"""SMART App Launch in front of a real Keycloak: the ways in, and everything that must not be one.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from healthvision.keycloak.realm import SERVER
from tests.services.hospital import (
    ANNA,
    BERT,
    PASSWORD,
    SERVER_SECRET,
    Hospital,
    add_like_viewer,
    hospital,
    token_of,
    until,
)
from tests.services.keycloak import Keycloak
from tests.smart_flows import App, Browser, make_launch, standalone_launch

pytestmark = pytest.mark.services

SCOPE = "launch openid fhirUser offline_access patient/*.rs"


@pytest.fixture(scope="module")
def place(keycloak: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital(keycloak, tmp_path_factory.mktemp("hospital")) as opened:
        yield opened


@pytest.fixture(scope="module")
def desk(place: Hospital) -> Iterator[Browser]:
    """The browser of a clinician who works in the EHR."""
    browser = place.browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def ehr(place: Hospital, desk: Browser) -> str:
    """The EHR's own token."""
    return place.ehr_token(desk)


def code(place: Hospital, desk: Browser, ehr: str, app: App, patient: str = ANNA) -> str:
    """The code with which an EHR launch comes back to the app."""
    page = desk.open(app.url(SCOPE, launch=place.launch(ehr, patient)))
    return app.code_of(desk.log_in(page, "house", PASSWORD))


def launched(
    place: Hospital, desk: Browser, ehr: str, app: App, patient: str = ANNA
) -> dict[str, Any]:
    return token_of(app.exchange(code(place, desk, ehr, app, patient)))


def test_an_ehr_launch_opens_the_ehrs_patient_and_no_other(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    app = place.viewer()
    page = desk.open(app.url(SCOPE, launch=place.launch(ehr, encounter="e-anna")))
    said = token_of(app.exchange(app.code_of(desk.log_in(page, "house", PASSWORD))))
    assert (said["patient"], said["encounter"]) == (ANNA, "e-anna")
    assert set(said["scope"].split()) == set(SCOPE.split())
    assert said["need_patient_banner"] is True
    assert said["expires_in"] <= 300
    identity = jwt.decode(said["id_token"], options={"verify_signature": False})
    assert (identity["iss"], identity["aud"]) == (place.realm.issuer, app.client_id)
    assert identity["fhirUser"].endswith("Practitioner/house")
    token = said["access_token"]
    assert app.get(f"Patient/{ANNA}", token).status_code == 200
    assert app.get(f"Observation/o-{ANNA}", token).status_code == 200
    for path in (f"Patient/{BERT}", f"Observation/o-{BERT}"):
        assert app.get(path, token).status_code == 404
    assert app.get("Observation?_total=accurate", token).json()["total"] == 1


def test_in_a_standalone_launch_the_person_chooses(place: Hospital) -> None:
    scope = "launch/patient openid fhirUser patient/*.rs"
    browser, app = place.browser(), place.viewer()
    answer = standalone_launch(browser, app, scope, "house", PASSWORD, BERT, identifier="B-2")
    said = token_of(answer)
    assert said["patient"] == BERT
    assert app.get(f"Patient/{BERT}", said["access_token"]).status_code == 200
    assert app.get(f"Patient/{ANNA}", said["access_token"]).status_code == 404
    browser.close()


def test_a_patient_is_offered_no_record_but_the_own(place: Hospital) -> None:
    scope = "launch/patient openid fhirUser patient/*.rs"
    browser, app = place.browser(), place.viewer()
    page = browser.log_in(browser.open(app.url(scope)), ANNA, PASSWORD)
    for _ in range(3):
        if page.url.startswith(app.redirect_uri):
            break
        assert BERT.capitalize() not in page.text
        page = browser.submit(page, "choose", patient=ANNA)
    said = token_of(app.exchange(app.code_of(page)))
    assert said["patient"] == ANNA
    browser.close()


def test_scopes_are_granted_as_they_were_asked_for_also_those_that_keycloak_does_not_know(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    app = place.viewer()
    scope = "launch patient/Observation.rs?category=laboratory patient/Patient.read patient/Task.cu"
    page = desk.open(app.url(scope, launch=place.launch(ehr)))
    said = token_of(app.exchange(app.code_of(page)))
    assert set(said["scope"].split()) == set(scope.split())


def test_a_refresh_keeps_the_patient_and_spends_the_refresh_token(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    app = place.viewer()
    first = launched(place, desk, ehr, app)
    again = token_of(app.refresh(first["refresh_token"]))
    assert again["patient"] == ANNA
    assert again["access_token"] != first["access_token"]
    assert app.get(f"Patient/{ANNA}", again["access_token"]).status_code == 200
    assert app.get(f"Patient/{BERT}", again["access_token"]).status_code == 404
    assert app.refresh(first["refresh_token"]).status_code == 400


def test_a_refresh_token_is_no_use_to_another_app(place: Hospital, desk: Browser, ehr: str) -> None:
    first = launched(place, desk, ehr, place.viewer())
    answer = place.other().refresh(first["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_revoked_token_opens_nothing_from_that_moment(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    app = place.viewer()
    token = launched(place, desk, ehr, app)["access_token"]
    assert app.get(f"Patient/{ANNA}", token).status_code == 200
    assert app.post("revocation", token=token).status_code == 200
    assert app.get(f"Patient/{ANNA}", token).status_code == 401


def test_an_expired_token_opens_nothing(place: Hospital, desk: Browser, ehr: str) -> None:
    app = place.viewer()
    with place.realm_with(accessTokenLifespan=3):
        token = launched(place, desk, ehr, app)["access_token"]
    assert app.get(f"Patient/{ANNA}", token).status_code == 200
    until(lambda: app.get(f"Patient/{ANNA}", token).status_code == 401)


def test_a_tampered_token_opens_nothing(place: Hospital, desk: Browser, ehr: str) -> None:
    app = place.viewer()
    token, of_bert = (
        launched(place, desk, ehr, place.viewer(), patient)["access_token"]
        for patient in (ANNA, BERT)
    )
    head, claims, signature = token.split(".")
    unsigned = jwt.encode(
        jwt.decode(token, options={"verify_signature": False}), "", algorithm="none"
    )
    for changed in (
        f"{head}.{of_bert.split('.')[1]}.{signature}",
        f"{head}.{claims}.{signature[:-8]}AAAAAAAA",
        f"{head}.{claims}.",
        unsigned,
    ):
        answer = app.get(f"Patient/{ANNA}", changed)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_another_servers_audience_is_refused_before_anybody_signs_in(place: Hospital) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code"""
    browser, app = place.browser(), place.viewer()
    for aud in ("https://other.example.org/fhir", None):
        page = browser.open(app.url("openid patient/*.rs launch/patient", aud=aud))
        assert page.query["error"] == "invalid_request"
        assert "code" not in page.query
    browser.close()


def test_a_token_that_keycloak_made_for_another_server_is_refused(place: Hospital) -> None:
    add_like_viewer(
        place.realm.admin,
        "app-of-another-server",
        "http://127.0.0.1:9/none",
        defaultClientScopes=["basic", "roles"],
        directAccessGrantsEnabled=True,
    )
    form = {
        "grant_type": "password",
        "client_id": "app-of-another-server",
        "username": "house",
        "password": PASSWORD,
        "scope": "openid user/*.rs",
    }
    answer = httpx.post(place.realm.endpoint("token"), data=form, trust_env=False, timeout=30)
    token = token_of(answer)["access_token"]
    assert place.viewer().get(f"Patient/{ANNA}", token).status_code == 401


def test_a_token_that_did_not_come_through_us_has_no_patient(
    place: Hospital, desk: Browser
) -> None:
    """An app that goes to Keycloak by itself, with the same client, user and scopes."""
    app = place.viewer()
    query = app.parameters("openid patient/*.rs")
    page = desk.open(str(httpx.URL(place.realm.endpoint("auth"), params=query)))
    form = {
        "grant_type": "authorization_code",
        "client_id": app.client_id,
        "code": app.code_of(desk.log_in(page, "house", PASSWORD)),
        "redirect_uri": app.redirect_uri,
        "code_verifier": app.verifier,
    }
    answer = httpx.post(place.realm.endpoint("token"), data=form, trust_env=False, timeout=30)
    token = token_of(answer)["access_token"]
    for path in (f"Patient/{ANNA}", "Patient", f"Observation/o-{BERT}"):
        assert app.get(path, token).status_code == 403


@pytest.mark.parametrize(
    "wrong", [{"code_verifier": "a" * 43}, {"code_verifier": ""}, {"redirect_uri": "http://x/"}]
)
def test_a_code_without_its_verifier_and_address_gives_nothing(
    place: Hospital, desk: Browser, ehr: str, wrong: dict[str, str]
) -> None:
    app = place.viewer()
    answer = app.exchange(code(place, desk, ehr, app), **wrong)
    assert answer.status_code == 400
    assert "access_token" not in answer.json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
    ],
)
def test_nothing_begins_without_pkce_by_s256(place: Hospital, wrong: dict[str, Any]) -> None:
    browser, app = place.browser(), place.viewer()
    page = browser.open(app.url("openid launch/patient patient/*.rs", **wrong))
    assert page.query["error"] == "invalid_request"
    browser.close()


def test_a_code_works_once(place: Hospital, desk: Browser, ehr: str) -> None:
    app = place.viewer()
    once = code(place, desk, ehr, app)
    token_of(app.exchange(once))
    answer = app.exchange(once)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_launch_works_once(place: Hospital, desk: Browser, ehr: str) -> None:
    launch = place.launch(ehr)
    first, again = place.viewer(), place.viewer()
    first.code_of(desk.open(first.url(SCOPE, launch=launch)))
    page = desk.open(again.url(SCOPE, launch=launch))
    assert page.query["error"] == "invalid_request"
    assert page.query["state"] == again.state


def test_another_apps_launch_and_code_are_no_use(place: Hospital, desk: Browser, ehr: str) -> None:
    viewer, other = place.viewer(), place.other()
    launch = place.launch(ehr, client=viewer.client_id)
    page = desk.open(other.url(SCOPE, launch=launch))
    assert page.query["error"] == "invalid_request"
    taken = other.exchange(
        code(place, desk, ehr, viewer),
        code_verifier=viewer.verifier,
        redirect_uri=viewer.redirect_uri,
    )
    assert (taken.status_code, taken.json()["error"]) == (400, "invalid_grant")


def test_only_the_ehr_makes_launches(place: Hospital, desk: Browser, ehr: str) -> None:
    token = launched(place, desk, ehr, place.viewer())["access_token"]
    answer = make_launch(place.fhir, token, patient=BERT)
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_two_patients_that_one_user_opens_in_one_browser_stay_apart(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    """Keycloak keeps one session for both apps. They are opened in turns: each step of one between two of the other."""
    first, second = place.viewer(), place.other()
    launches = place.launch(ehr, ANNA), place.launch(ehr, BERT)
    page_of_first = desk.open(first.url(SCOPE, launch=launches[0]))
    page_of_second = desk.open(second.url(SCOPE, launch=launches[1]))
    of_second = token_of(second.exchange(second.code_of(page_of_second)))
    of_first = token_of(first.exchange(first.code_of(page_of_first)))
    assert (of_first["patient"], of_second["patient"]) == (ANNA, BERT)
    for app, said, own, others in (
        (first, of_first, ANNA, BERT),
        (second, of_second, BERT, ANNA),
        (first, token_of(first.refresh(of_first["refresh_token"])), ANNA, BERT),
        (second, token_of(second.refresh(of_second["refresh_token"])), BERT, ANNA),
    ):
        assert said["patient"] == own
        token = said["access_token"]
        assert app.get(f"Patient/{own}", token).status_code == 200
        assert app.get(f"Patient/{others}", token).status_code == 404
        found = app.get("Observation", token).json()["entry"]
        assert [one["resource"]["id"] for one in found] == [f"o-{own}"]


def test_the_same_app_on_two_patients_side_by_side_stays_apart(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    first, second = place.viewer(), place.viewer()
    codes = code(place, desk, ehr, first, ANNA), code(place, desk, ehr, second, BERT)
    mixed = first.exchange(codes[1])
    assert (mixed.status_code, mixed.json()["error"]) == (400, "invalid_grant")
    assert token_of(first.exchange(codes[0]))["patient"] == ANNA


def test_an_operators_role_does_not_reach_the_viewer(place: Hospital) -> None:
    """The client does not carry it: an app of a ward is no operator's console."""
    browser, app = place.browser(), place.viewer()
    page = browser.log_in(browser.open(app.url("openid user/*.cruds")), "ray", PASSWORD)
    token = token_of(app.exchange(app.code_of(page)))["access_token"]
    roles = jwt.decode(token, options={"verify_signature": False})["realm_access"]["roles"]
    assert roles == ["radiologist"]
    browser.close()


def introspected(place: Hospital, token: str) -> dict[str, Any]:
    answer = httpx.post(
        f"{place.auth}/introspect",
        data={"token": token},
        auth=(SERVER, SERVER_SECRET),
        trust_env=False,
        timeout=30,
    )
    return token_of(answer)


def test_introspection_knows_the_launch_and_the_revocation(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html"""
    app = place.viewer()
    said = launched(place, desk, ehr, app)
    told = introspected(place, said["access_token"])
    assert (told["active"], told["patient"], told["client_id"]) == (True, ANNA, app.client_id)
    app.post("revocation", token=said["access_token"])
    assert introspected(place, said["access_token"]) == {"active": False}


def rotate(place: Hospital) -> None:
    """From now on Keycloak signs with a new key."""
    keys = place.realm.admin.get("keys")["keys"]
    priority = 100 + max(key["providerPriority"] for key in keys)
    place.realm.admin.post(
        "components",
        {
            "name": f"rotated-{priority}",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": [str(priority)], "enabled": ["true"], "active": ["true"]},
        },
    )


def test_keys_are_rotated_in_the_realm_without_a_restart_of_ours(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    """https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys"""
    app = place.viewer()
    before = launched(place, desk, ehr, app)
    rotate(place)
    again = app.refresh(before["refresh_token"])
    after = token_of(again)["access_token"]
    kids = [jwt.get_unverified_header(one)["kid"] for one in (before["access_token"], after)]
    assert kids[0] != kids[1]
    for token in (before["access_token"], after):
        assert app.get(f"Patient/{ANNA}", token).status_code == 200


def test_while_keycloak_is_away_what_can_be_checked_goes_on_and_the_rest_is_refused(
    place: Hospital, desk: Browser, ehr: str
) -> None:
    app, later = place.viewer(), place.viewer()
    said = launched(place, desk, ehr, app)
    begun = code(place, desk, ehr, later)
    unseen = token_of(app.refresh(said["refresh_token"]))
    with place.line.down():
        for token in (said["access_token"], unseen["access_token"]):
            assert app.get(f"Patient/{ANNA}", token).status_code == 200
            assert app.get(f"Patient/{BERT}", token).status_code == 404
        for answer in (app.refresh(unseen["refresh_token"]), later.exchange(begun)):
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert make_launch(place.fhir, ehr, patient=ANNA).status_code == 201

        rotate(place)
        with_new_key = signed_meanwhile(place, unseen["refresh_token"])
        answer = app.get(f"Patient/{ANNA}", with_new_key)
        assert answer.status_code in {401, 503}
        assert answer.json()["resourceType"] == "OperationOutcome"
    # Now its key can be asked for. It did not come through us, so it has no patient: known, and not allowed.
    until(lambda: app.get(f"Patient/{ANNA}", with_new_key).status_code == 403)
    assert app.get(f"Patient/{ANNA}", said["access_token"]).status_code == 200


def signed_meanwhile(place: Hospital, refresh_token: str) -> str:
    """An access token that Keycloak makes while our server does not reach it: by another way, under the same name."""
    answer = httpx.post(
        f"{place.realm.admin.url}/realms/{place.realm.admin.realm}/protocol/openid-connect/token",
        headers={"Host": f"127.0.0.1:{place.line.port}"},
        data={
            "grant_type": "refresh_token",
            "client_id": place.viewer().client_id,
            "refresh_token": refresh_token,
        },
        trust_env=False,
        timeout=30,
    )
    token = str(token_of(answer)["access_token"])
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == place.realm.issuer
    return token


def test_guessing_a_password_is_slowed_down(place: Hospital) -> None:
    browser, app = place.browser(), place.viewer()
    page = browser.open(app.url("openid user/*.rs"))
    for _ in range(5):
        page = browser.log_in(page, "guessed", "wrong password")
        assert not page.url.startswith(app.redirect_uri)
    page = browser.log_in(page, "guessed", PASSWORD)
    assert not page.url.startswith(app.redirect_uri), "the right one, but too late"
    browser.close()
