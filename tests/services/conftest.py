"""Real services that several files of tests talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.keycloak import Keycloak, shared_keycloak


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Keycloak]:
    """One Keycloak for the test run, whatever the number of its processes."""
    own = tmp_path_factory.getbasetemp()
    with shared_keycloak(own if worker_id == "master" else own.parent) as running:
        yield running
