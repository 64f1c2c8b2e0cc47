"""A hospital with a real Keycloak: our server as processes, its realm, an EHR, two apps, people and patients."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from healthvision.keycloak.admin import RealmAdmin
from healthvision.keycloak.realm import PORTAL, SERVER, VIEWER, Site
from tests.deployment import Deployment
from tests.fhir_api.smart.hospital import encounter, patient
from tests.services.keycloak import Keycloak, Realm, User
from tests.services.relay import Relay
from tests.smart_flows import App, Browser, make_launch

OTHER = "growth-chart"
VIEWER_ADDRESS, OTHER_ADDRESS, PORTAL_ADDRESS = (
    f"http://127.0.0.1:9/{name}" for name in ("viewer", "growth", "portal")
)
PORTAL_SECRET, SERVER_SECRET = "a-secret-of-the-portal", "a-secret-of-the-server"
PASSWORD = "correct horse battery"
ANNA, BERT = "anna", "bert"
PATIENCE_S = 120.0
PEOPLE = (
    User("house", PASSWORD, "Practitioner/house", ("clinician",)),
    User("ray", PASSWORD, "Practitioner/ray", ("radiologist", "operator")),
    User("guessed", PASSWORD, "Practitioner/guessed", ("clinician",)),
    User(ANNA, PASSWORD, f"Patient/{ANNA}"),
)


@dataclass
class Hospital:
    """``line`` is the only way from our server, and from browsers, to Keycloak."""

    deployment: Deployment
    realm: Realm
    line: Relay

    @property
    def fhir(self) -> str:
        return self.deployment.fhir

    @property
    def auth(self) -> str:
        return f"{self.deployment.url}/auth"

    def viewer(self) -> App:
        return App(self.fhir, VIEWER, VIEWER_ADDRESS)

    def other(self) -> App:
        return App(self.fhir, OTHER, OTHER_ADDRESS)

    def portal(self) -> App:
        return App(self.fhir, PORTAL, PORTAL_ADDRESS, secret=PORTAL_SECRET)

    def browser(self) -> Browser:
        return Browser(VIEWER_ADDRESS, OTHER_ADDRESS, PORTAL_ADDRESS)

    def ehr_token(self, browser: Browser, user: str = "house") -> str:
        """The token of the EHR in which the person of this browser is signed in."""
        portal = self.portal()
        page = browser.log_in(browser.open(portal.url("openid user/*.rs")), user, PASSWORD)
        answer = portal.exchange(portal.code_of(page))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def launch(self, ehr_token: str, patient: str = ANNA, **wish: Any) -> str:
        """A handle that the EHR made."""
        answer = make_launch(self.fhir, ehr_token, patient=patient, **wish)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["launch"])

    @contextmanager
    def realm_with(self, **members: Any) -> Iterator[None]:
        """The realm with other settings as long as the block runs."""
        before = self.realm.admin.get()
        self.realm.admin.put("", members)
        try:
            yield
        finally:
            self.realm.admin.put("", {name: before[name] for name in members})


@contextmanager
def hospital(
    keycloak: Keycloak,
    directory: Path,
    *,
    arguments: tuple[str, ...] = ("--no-worker", "--workers", "2"),
    change: Callable[[Site], Site] = lambda site: site,
    settings: Mapping[str, str] = {},
) -> Iterator[Hospital]:
    """Opens it, with its patients in their records. Two API processes: what one of them did, the other has to know."""
    deployment = Deployment(directory / "data", arguments=arguments)
    site = Site(
        deployment.fhir,
        viewer_redirects=(VIEWER_ADDRESS,),
        portal_redirects=(PORTAL_ADDRESS,),
        portal_secret=PORTAL_SECRET,
        server_secret=SERVER_SECRET,
    )
    line = Relay(urlsplit(keycloak.url).port or 0)
    try:
        with keycloak.realm(change(site), PEOPLE) as realm:
            add_like_viewer(realm.admin, OTHER, OTHER_ADDRESS)
            seen = replace(realm, url=f"http://127.0.0.1:{line.port}")
            deployment.settings |= {
                "HEALTHVISION_OIDC_ISSUER": seen.issuer,
                "HEALTHVISION_OIDC_CLOCK_SKEW_S": "0",
                "HEALTHVISION_SMART_CLIENT_ID": SERVER,
                "HEALTHVISION_SMART_CLIENT_SECRET": SERVER_SECRET,
                "HEALTHVISION_LAUNCH_CLIENTS": PORTAL,
                **settings,
            }
            deployment.start()
            fill(deployment)
            yield Hospital(deployment, seen, line)
    finally:
        deployment.kill()
        line.cut()


def fill(deployment: Deployment) -> None:
    """Patients, and something of each."""
    with deployment.client() as operator:
        for one in (
            patient(ANNA, "Quist", "Anna", "1970-02-01", "A-1"),
            patient(BERT, "Quist", "Bert", "1971-03-02", "B-2"),
            encounter("e-anna", ANNA),
            *(observation(id) for id in (ANNA, BERT)),
        ):
            answer = operator.put(f"/{one['resourceType']}/{one['id']}", json=one)
            assert answer.status_code == 201, answer.text


def observation(of: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o-{of}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{of}"},
    }


def add_like_viewer(admin: RealmAdmin, name: str, address: str, **others: Any) -> None:
    """An app that was registered as the viewer was."""
    [viewer] = admin.get("clients", clientId=VIEWER)
    own = {"id", "clientId", "redirectUris", "secret", "protocolMappers"}
    rest = {member: value for member, value in viewer.items() if member not in own}
    admin.post("clients", {**rest, "clientId": name, "redirectUris": [address], **others})
    [made] = admin.get("clients", clientId=name)
    roles = admin.get(f"clients/{viewer['id']}/scope-mappings/realm")
    admin.post(f"clients/{made['id']}/scope-mappings/realm", roles)


def token_of(answer: httpx.Response) -> dict[str, Any]:
    """The members of a token response."""
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def until(holds: Callable[[], bool]) -> None:
    """Returns when something holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)  # between two looks
