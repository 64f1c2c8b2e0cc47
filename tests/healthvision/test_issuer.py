"""A server that trusts an issuer, through its bad days: what it knows goes on, and what it cannot check is 503, not 401.

A client throws a token away that is refused with 401 (https://www.rfc-editor.org/rfc/rfc6750#section-3.1), and sends it
again after 503 (https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.deployment import Deployment
from tests.fhir_api.smart.provider import Provider, ec_key

pytestmark = pytest.mark.timeout(120)

DOORS = ("/fhir/Patient", "/api/v1/models", "/dicom-web/studies", "/reports/none")
LET_IN = {200, 204, 403, 404}
"""Whatever the token's scopes then open."""


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    running = Provider()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def deployment(provider: Provider, tmp_path: Path) -> AsyncIterator[Deployment]:
    settings = {"HEALTHVISION_OIDC_ISSUER": provider.url}
    deployment = Deployment(tmp_path / "data", arguments=("--no-worker",), settings=settings)
    await asyncio.to_thread(deployment.start)
    yield deployment
    await asyncio.to_thread(deployment.kill)


async def test_an_issuer_that_is_down_ends_nobody_whose_key_is_known(
    provider: Provider, deployment: Deployment
) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def answers(token: str) -> dict[str, httpx.Response]:
            headers = {"Authorization": f"Bearer {token}"}
            return {
                path: await client.get(f"{deployment.url}{path}", headers=headers) for path in DOORS
            }

        def token(jti: str, kid: int = 0) -> str:
            return provider.token(
                provider.keys[kid], jti=jti, aud=deployment.fhir, scope="user/*.rs"
            )

        async def until(token: str, expected: set[int]) -> dict[str, httpx.Response]:
            while True:
                found = await answers(token)
                if {answer.status_code for answer in found.values()} <= expected:
                    return found
                await asyncio.sleep(0.2)

        await until(token("before"), LET_IN)
        await provider.stop()
        await until(token("issued before it went down"), LET_IN)
        provider.keys.append(ec_key("second"))
        unknown = token("by a new key", kid=1)
        # For a moment the provider's last answer, which does not have the key, is good enough for a 401.
        refused = await until(unknown, {503})
        for path, answer in refused.items():
            assert answer.headers["Retry-After"] == "5", path
            assert "WWW-Authenticate" not in answer.headers, path
        outcome = refused["/fhir/Patient"].json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["code"] == "transient"
        await until(token("another of the known key"), LET_IN)

        await provider.start()
        await until(unknown, LET_IN)
