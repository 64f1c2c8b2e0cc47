"""One server and one small model for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inference.models.registry import InstalledModel
from tests.inference.workflow.site import Site, site
from tests.inference.workflow.small_model import install_small_model


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data") as running:
        yield running


@pytest.fixture
def model(tmp_path: Path) -> InstalledModel:
    return install_small_model(tmp_path / "models")
