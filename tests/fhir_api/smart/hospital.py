"""A hospital on loopback: our server with its façade, its authorization server, an EHR, two apps, people and patients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from fhir_api.api import utc_now_us
from healthvision.app import build_app
from healthvision.settings import Settings
from store.interface import Commit, Write
from store.sqlite import SqliteStore
from tests.authorization_server import AuthorizationServer, Client, User
from tests.deployment import OPERATOR_TOKEN, free_port
from tests.smart_flows import App, Browser, make_launch

VIEWER, OTHER = "imaging-viewer", "growth-chart"
VIEWER_ADDRESS, OTHER_ADDRESS = "http://viewer.test/after", "http://growth.test/cb?from=ehr"
PORTAL, PORTAL_SECRET = "ehr-portal", "secret of the portal"
SERVER, SERVER_SECRET = "fhir-server", "secret of the server"
ANNA, BERT = "anna", "bert"
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Hospital:
    url: str
    issuer: AuthorizationServer
    data_dir: Path

    @property
    def fhir(self) -> str:
        return f"{self.url}/fhir"

    def viewer(self) -> App:
        return App(self.fhir, VIEWER, VIEWER_ADDRESS)

    def other(self) -> App:
        return App(self.fhir, OTHER, OTHER_ADDRESS, secret="secret of growth-chart")

    def browser(self) -> Browser:
        return Browser(VIEWER_ADDRESS, OTHER_ADDRESS)

    def ehr_token(self, user: str = "house", scope: str = "user/*.rs") -> str:
        return self.issuer.token_without_launch(PORTAL, user, scope)

    def launch(self, patient: str = ANNA, user: str = "house", **wish: Any) -> str:
        """A handle that the EHR of ``user`` made."""
        answer = make_launch(self.fhir, self.ehr_token(user), patient=patient, **wish)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["launch"])

    def keep(self, write: Callable[[int], Write]) -> None:
        """Puts a record into the store, as another process of the deployment does; ``write`` is told the time."""

        async def commit() -> None:
            store = SqliteStore.open(self.data_dir)
            await store.commit(Commit(writes=(write(utc_now_us()),)))
            await store.close()

        thread = threading.Thread(target=asyncio.run, args=(commit(),))
        thread.start()
        thread.join()

    def operator(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        return httpx.Client(base_url=self.fhir, headers=headers, trust_env=False, timeout=30)


def patient(id: str, family: str, given: str, born: str, number: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "name": [{"family": family, "given": [given]}],
        "birthDate": born,
        "gender": "female" if given == "Anna" else "male",
        "identifier": [{"system": "urn:hospital:number", "value": number}],
    }


@contextmanager
def hospital(data_dir: Path, **settings: Any) -> Iterator[Hospital]:
    """Opens it, with its patients in their records; ``settings`` of the server are as it would be without them."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    issuer = AuthorizationServer(
        audience=f"{url}/fhir",
        clients={
            VIEWER: Client((VIEWER_ADDRESS,)),
            OTHER: Client((OTHER_ADDRESS,), secret="secret of growth-chart"),
            PORTAL: Client(("http://ehr.test/",), secret=PORTAL_SECRET),
            SERVER: Client((f"{url}/auth/callback",), secret=SERVER_SECRET),
        },
        users={
            "house": User(PASSWORD, "Practitioner/house", ("clinician",)),
            "ray": User(PASSWORD, "Practitioner/ray", ("radiologist",)),
            "audrey": User(PASSWORD, "Practitioner/audrey", ("auditor",)),
            ANNA: User(PASSWORD, f"Patient/{ANNA}"),
        },
    )
    deployment = Settings(
        port=port,
        data_dir=data_dir,
        token=OPERATOR_TOKEN,
        oidc_issuer=issuer.url,
        smart_client_id=SERVER,
        smart_client_secret=SERVER_SECRET,
        launch_clients=PORTAL,
        **settings,
    )
    with issuer.running(), _served(deployment):
        place = Hospital(url, issuer, data_dir)
        with place.operator() as operator:
            for one in (
                patient(ANNA, "Quist", "Anna", "1970-02-01", "A-1"),
                patient(BERT, "Quist", "Bert", "1971-03-02", "B-2"),
                *(patient(f"p{n}", "Many", f"N{n:02}", "1980-01-01", f"M-{n}") for n in range(25)),
                encounter("e-anna", ANNA),
            ):
                answer = operator.put(f"/{one['resourceType']}/{one['id']}", json=one)
                assert answer.status_code == 201, answer.text
        yield place


def encounter(id: str, patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id,
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{patient}"},
    }


@contextmanager
def _served(settings: Settings) -> Iterator[None]:
    """The server as one API process runs it, on a thread of its own."""
    server = uvicorn.Server(
        uvicorn.Config(
            _not_yet, settings.host, settings.port, lifespan="off", log_level="error", ws="none"
        )
    )

    async def serve() -> None:
        app = build_app(settings)
        server.config.app = app
        async with app:
            await server.serve()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.005)
        yield
    finally:
        server.should_exit = True
        thread.join(30)


async def _not_yet(*_: Any) -> None:
    raise AssertionError
