"""AuditEvents of every interaction, by HL7's reference validator with BALP loaded."""

from __future__ import annotations

import pytest

from tests.audit.samples import all_events
from tests.audit.test_balp import GUIDES
from tests.services.reference_validator import reference_validator

pytestmark = pytest.mark.services


@pytest.mark.skipif(not GUIDES.is_dir(), reason="../shared/spec/ig is not there")
def test_the_reference_validator_finds_no_error() -> None:
    events = all_events()
    with reference_validator("--no-resolve", "--ig", str(GUIDES / "balp")) as judge:
        found = dict(zip(events, judge.errors_of(list(events.values())), strict=True))
    assert {name: errors for name, errors in found.items() if errors} == {}
