"""A server as its users meet it: real processes, real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deployment import Deployment


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("server") / "data", arguments=("--no-worker",))
    deployment.start()
    yield deployment
    deployment.kill()
