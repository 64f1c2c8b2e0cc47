"""A provider on loopback, and a server's trust in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fhir_api.smart.issuer import Issuer
from tests.fhir_api.smart.provider import Provider


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    running = Provider()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def issuer(provider: Provider) -> AsyncIterator[Issuer]:
    known = Issuer(provider.url)
    yield known
    await known.close()
