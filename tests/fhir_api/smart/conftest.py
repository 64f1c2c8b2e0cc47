"""A provider on loopback, and a server's trust in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from fhir_api.smart.issuer import Issuer
from tests.fhir_api.smart.hospital import Hospital, hospital
from tests.fhir_api.smart.provider import Provider
from tests.smart_flows import Browser


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """A hospital for the tests of one file."""
    with hospital(tmp_path_factory.mktemp("hospital")) as opened:
        yield opened


@pytest.fixture
def browser(place: Hospital) -> Iterator[Browser]:
    """Of a person who has not signed in anywhere."""
    opened = place.browser()
    yield opened
    opened.close()


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
