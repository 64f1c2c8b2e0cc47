"""For every test: no example of a property is held against the clock, which says how busy the machine is; and where
real services are required (``make test-services``), a test of them that would skip fails.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("healthvision", deadline=None)
settings.load_profile("healthvision")

REQUIRED = os.environ.get("HEALTHVISION_SERVICES") == "required"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRED and report.skipped and item.get_closest_marker("services"):
        report.outcome = "failed"
        report.longrepr = f"required, but absent: {report.longrepr}"
    return report
