"""A whole deployment in this process, and clients of it with tokens of its own that open just what they say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fhir_api.smart.local import Grant
from fhir_api.smart.scopes import resource_scopes
from healthvision.app import App, build_app
from healthvision.keys import deployment_key
from healthvision.settings import Settings
from healthvision.trust import local_issuer
from tests.deployment import OPERATOR_TOKEN, WORKER_TOKEN

BASE = "http://scoped.test"


@dataclass(frozen=True)
class Site:
    """The deployment. Its clients are closed with the test's event loop: they hold no connection."""

    app: App
    settings: Settings

    def token(self, scope: str, **grant: Any) -> str:
        """``grant``: as ``fhir_api.smart.local.Grant`` has it."""
        issuer = local_issuer(self.settings, deployment_key(self.settings.data_dir))
        assert issuer is not None
        named = {"client": "app", "lifetime_s": 600} | grant
        return issuer.token(Grant(scopes=resource_scopes(scope), **named))

    def client(
        self, token: str | None = OPERATOR_TOKEN, address: str = "127.0.0.1"
    ) -> httpx.AsyncClient:
        """Sends ``token``, None: no token."""
        transport = httpx.ASGITransport(self.app, client=(address, 4711))  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)

    def app_of(self, patient: str, scope: str) -> httpx.AsyncClient:
        """An app that one patient's record is open in."""
        return self.client(self.token(scope, patient=patient, user="Practitioner/1"))


@asynccontextmanager
async def site(folder: Path, **settings: Any) -> AsyncIterator[Site]:
    """Opens it on a fresh data folder."""
    made = Settings(
        data_dir=folder / "data",
        token=OPERATOR_TOKEN,
        worker_token=WORKER_TOKEN,
        base_url=BASE,
        **settings,
    )
    async with build_app(made) as app:
        yield Site(app, made)
