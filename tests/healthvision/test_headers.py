"""What every answer tells a browser: https://owasp.org/www-project-secure-headers/"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from healthvision.app import build_app
from healthvision.settings import Settings
from tests.deployment import OPERATOR_TOKEN
from tests.scoped import Site, site

URLS = [
    "/fhir/metadata",
    "/fhir/Patient",
    "/fhir/Patient/none",
    "/fhir/.well-known/smart-configuration",
    "/.well-known/smart-configuration",
    "/dicom-web/studies",
    "/dicom-web/studies/1",
    "/dicom-web/none",
    "/api/v1/models",
    "/api/v1/none",
    "/openapi.json",
    "/docs",
    "/reports/none",
    "/healthz",
    "/readyz",
    "/",
    "/none",
    "/auth/none",
]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_every_answer_of_every_room_is_guarded(place: Site, method: str) -> None:
    for client in (place.client(), place.client(None)):
        for url in URLS:
            answer = await client.request(method, url)
            assert answer.headers["x-content-type-options"] == "nosniff", url
            assert answer.headers["referrer-policy"] == "no-referrer", url
            assert answer.headers["cache-control"], url
            policy = answer.headers.get_list("content-security-policy")
            assert len(policy) == 1, url
            assert "default-src 'none'" in policy[0], url
            assert "frame-ancestors 'none'" in policy[0], url
            assert "strict-transport-security" not in answer.headers, url


async def test_no_header_of_ours_stands_there_twice(place: Site) -> None:
    for url in URLS:
        answer = await place.client().get(url)
        for name in ("x-content-type-options", "referrer-policy", "cache-control"):
            assert len(answer.headers.get_list(name)) == 1, (url, name)


async def test_what_is_said_of_a_patient_is_kept_by_no_cache(place: Site) -> None:
    for url in ("/dicom-web/studies", "/api/v1/models", "/reports/none"):
        assert (await place.client().get(url)).headers["cache-control"] == "no-store"


async def test_only_a_server_of_https_forbids_http(tmp_path: Path) -> None:
    """https://www.rfc-editor.org/rfc/rfc6797#section-7.2"""
    settings = Settings(
        data_dir=tmp_path / "tls", token=OPERATOR_TOKEN, base_url="https://hospital.test"
    )
    async with build_app(settings) as app:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="https://hospital.test") as http:
            for url in ("/fhir/metadata", "/healthz", "/none"):
                answer = await http.get(url)
                assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_the_page_of_the_documentation_may_run_its_script(place: Site) -> None:
    policy = (await place.client().get("/docs")).headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-inline'" in policy
