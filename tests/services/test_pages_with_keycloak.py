"""The façade's own pages in front of a real Keycloak: who sits before them, and who breaks the glass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.hospital import ANNA, BERT, PASSWORD, Hospital, hospital, token_of
from tests.services.keycloak import Keycloak
from tests.smart_flows import App, Browser, Page

pytestmark = pytest.mark.services

SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"
REASON = "Brought in unconscious, nobody of the ward is here"


@pytest.fixture(scope="module")
def place(keycloak: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital(keycloak, tmp_path_factory.mktemp("hospital")) as opened:
        yield opened


@pytest.fixture
def browser(place: Hospital) -> Iterator[Browser]:
    opened = place.browser()
    yield opened
    opened.close()


def in_emergency(browser: Browser, app: App, user: str) -> Page:
    """Where somebody gets who asks for a patient in an emergency."""
    return browser.log_in(browser.open(app.url(SCOPE, purpose="BTG")), user, PASSWORD)


def test_a_clinician_opens_a_patient_in_an_emergency_with_a_reason(
    place: Hospital, browser: Browser
) -> None:
    app = place.viewer()
    page = browser.submit(in_emergency(browser, app, "house"), "search", identifier="B-2")
    page = browser.submit(page, "choose", patient=BERT)
    assert "Why do you have to see this patient now?" in page.text
    page = browser.submit(page, "open", reason=REASON)
    said = token_of(app.exchange(app.code_of(page)))
    assert said["patient"] == BERT
    assert "refresh_token" not in said
    assert app.get(f"Patient/{BERT}", said["access_token"]).status_code == 200
    assert app.get(f"Patient/{ANNA}", said["access_token"]).status_code == 404


def test_a_patient_breaks_no_glass(place: Hospital, browser: Browser) -> None:
    page = in_emergency(browser, place.viewer(), ANNA)
    assert page.status == 403
    assert "Only clinicians and radiologists" in page.text


def test_what_one_person_chose_is_not_given_to_another(place: Hospital, browser: Browser) -> None:
    """Between the page and the code somebody else signs in to Keycloak, in the same browser."""
    app, other = place.viewer(), place.viewer()
    page = browser.log_in(browser.open(app.url(SCOPE)), "house", PASSWORD)
    page = browser.submit(page, "search", identifier="B-2")
    browser.client.cookies.jar.clear(domain="127.0.0.1", path=f"/realms/{place.realm.admin.realm}/")
    switched = browser.log_in(browser.open(other.url("openid user/*.rs")), "ray", PASSWORD)
    other.code_of(switched)
    page = browser.submit(page, "choose", patient=BERT)
    answer = app.exchange(app.code_of(page))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_the_page_is_no_way_to_an_app_that_keycloak_does_not_know(
    place: Hospital, browser: Browser
) -> None:
    for changed in ({"client_id": "nobody"}, {"redirect_uri": "http://127.0.0.1:9/evil"}):
        answer = browser.client.get(place.viewer().url(SCOPE, **changed))
        assert answer.status_code == 400
        assert "not registered" in answer.text
