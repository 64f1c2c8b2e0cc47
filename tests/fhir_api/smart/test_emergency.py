"""A clinician opens a patient outside of any launch, says why, and it is recorded (break the glass)."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fhir_api.smart.authorizations import EMERGENCIES, Emergency
from fhir_api.smart.contexts import context_of
from store.sqlite import SqliteStore
from tests.authorization_server import User
from tests.fhir_api.smart.hospital import ANNA, BERT, PASSWORD, VIEWER, Hospital, hospital
from tests.fhir_api.smart.test_ehr_launch import assert_refused_at_app
from tests.smart_flows import App, Browser, Page

SCOPE = "launch/patient openid patient/*.rs"
REASON = "Brought in unconscious,\n nobody of the ward is here"


def at_reason(place: Hospital, browser: Browser, app: App, user: str = "house") -> Page:
    """The page that asks why, after Bert was chosen."""
    page = browser.log_in(browser.open(app.url(SCOPE, purpose="BTG")), user, PASSWORD)
    assert "in an emergency" in page.text
    page = browser.submit(page, "search", name="Bert")
    return browser.submit(page, "choose", patient=BERT)


def test_the_glass_is_broken_by_a_person_with_a_reason(tmp_path: Path) -> None:
    with hospital(tmp_path) as place:
        browser, app = place.browser(), place.viewer()
        page = browser.submit(at_reason(place, browser, app), "open", reason=REASON)
        said = app.exchange(app.code_of(page)).json()
        browser.close()
        assert said["patient"] == BERT
        jti = claims(place, said["access_token"])["jti"]
        emergencies, context = in_store(tmp_path, jti)
    assert context is not None
    assert (context.purpose, context.user, context.patient) == ("BTG", "Practitioner/house", BERT)
    [emergency] = emergencies
    assert emergency.reason == "Brought in unconscious, nobody of the ward is here"
    assert (emergency.user, emergency.patient, emergency.client) == (
        "Practitioner/house",
        BERT,
        VIEWER,
    )


def claims(place: Hospital, token: str) -> dict[str, Any]:
    with httpx.Client(trust_env=False) as client:
        answer = client.post(
            f"{place.url}/auth/introspect",
            data={"token": token},
            auth=("fhir-server", "secret of the server"),
        )
    found: dict[str, Any] = answer.json()
    return found


def in_store(data_dir: Path, jti: str) -> tuple[list[Emergency], Any]:
    """What a process beside the server finds: the audit's hook, and the token's context."""

    async def read() -> tuple[list[Emergency], Any]:
        store = SqliteStore.open(data_dir)
        rows = await store.outbox(EMERGENCIES)
        context = await context_of(store, jti, 0)
        await store.close()
        return [msgspec.json.decode(row.outgoing.payload, type=Emergency) for row in rows], context

    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(read())))
    thread.start()
    thread.join()
    return found[0]


def test_an_emergency_is_not_refreshed(place: Hospital, browser: Browser) -> None:
    app = place.viewer()
    url = app.url(f"{SCOPE} offline_access online_access", purpose="BTG")
    page = browser.log_in(browser.open(url), "house", PASSWORD)
    page = browser.submit(page, "search", name="Bert")
    page = browser.submit(browser.submit(page, "choose", patient=BERT), "open", reason=REASON)
    said = app.exchange(app.code_of(page)).json()
    assert said["scope"] == SCOPE
    assert "refresh_token" not in said


@pytest.mark.parametrize("reason", ["", "short", " " * 50, "x" * 600])
def test_without_a_reason_nothing_opens(place: Hospital, browser: Browser, reason: str) -> None:
    page = browser.submit(at_reason(place, browser, place.viewer()), "open", reason=reason)
    assert page.status == 200
    assert "Give a reason" in page.text
    assert "Bert" in page.text


def test_a_clinician_who_is_a_patient_here_gives_a_reason_too(
    place: Hospital, browser: Browser
) -> None:
    place.issuer.users["both"] = User(PASSWORD, f"Patient/{ANNA}", ("clinician",))
    page = browser.open(place.viewer().url(SCOPE, purpose="BTG"))
    page = browser.log_in(page, "both", PASSWORD)
    assert "in an emergency" in page.text
    assert not page.onward


def test_choosing_alone_opens_nothing(place: Hospital, browser: Browser) -> None:
    page = at_reason(place, browser, place.viewer())
    assert not page.onward
    assert 'name="reason"' in page.text


def test_only_clinicians_and_radiologists_may(place: Hospital, browser: Browser) -> None:
    for user in ("audrey", ANNA):
        opened = place.browser()
        url = place.viewer().url(SCOPE, purpose="BTG")
        page = opened.log_in(opened.open(url), user, PASSWORD)
        opened.close()
        assert page.status == 403
        assert "Only clinicians and radiologists" in page.text
    assert "Why do you" in at_reason(place, browser, place.viewer(), "ray").text


def test_an_app_cannot_do_it_silently(place: Hospital, browser: Browser) -> None:
    """With a launch at hand too there is the page, with its reason."""
    app = place.viewer()
    scope = f"launch {SCOPE}"
    url = app.url(scope, purpose="BTG", launch=place.launch(ANNA))
    page = browser.log_in(browser.open(url), "house", PASSWORD)
    assert "Why do you have to see this patient now?" in page.text
    form = {**page.forms[0].fields, "do": "open", "reason": REASON, "patient": BERT}
    assert browser.client.post(page.url, data=form).status_code == 403


def test_cancelling_goes_back_to_the_app(place: Hospital, browser: Browser) -> None:
    app = place.viewer()
    page = browser.submit(at_reason(place, browser, app), "cancel")
    assert_refused_at_app(page, app, "access_denied")
