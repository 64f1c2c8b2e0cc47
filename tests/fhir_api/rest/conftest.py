"""The whole application over HTTP in this process, with one Patient and one uploaded study."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from healthvision.app import App, build_app
from healthvision.settings import Settings
from tests.deployment import OPERATOR_TOKEN, WORKER_TOKEN
from tests.radiographs import small_radiographs

BASE = "http://rest.test"


@pytest.fixture(scope="session")
def radiograph() -> bytes:
    return small_radiographs(1, 64)[0]


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    settings = Settings(data_dir=tmp_path / "data", token=OPERATOR_TOKEN, worker_token=WORKER_TOKEN)
    async with build_app(settings) as app:
        yield app


@pytest.fixture
async def http(app: App) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
        await client.put("/fhir/Patient/p", json={"resourceType": "Patient", "id": "p"})
        yield client


@pytest.fixture
async def study(http: httpx.AsyncClient, radiograph: bytes) -> str:
    answer = await http.post(
        "/api/v1/studies", data={"patient": "Patient/p"}, files={"files": ("r.dcm", radiograph)}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["studies"][0]["study"])
