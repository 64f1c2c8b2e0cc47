"""``make test-services`` sets HEALTHVISION_SERVICES=required: then a service that is absent is a failure.

Except for what stands beside the repository and not in it (``../shared``), which nobody but its owners can install.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

REQUIRED = os.environ.get("HEALTHVISION_SERVICES") == "required"
BESIDE = "../shared"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if REQUIRED and report.skipped and item.get_closest_marker("services"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if BESIDE not in reason:
            report.outcome = "failed"
            report.longrepr = f"A service is absent: {reason}"
