"""The state machine: https://hl7.org/fhir/R4/task.html#statemachine"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.tasks.states import FINAL, NEXT, illegal_transition
from terminology.analyses import ANALYSIS_SYSTEM

OURS = {"coding": [{"system": ANALYSIS_SYSTEM, "code": "chest-xray-pneumonia"}]}
STATES = st.sampled_from(sorted(NEXT))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("requested", "accepted"),
        ("accepted", "in-progress"),
        ("in-progress", "completed"),
        ("in-progress", "failed"),
        ("in-progress", "rejected"),
        ("in-progress", "requested"),
        ("requested", "cancelled"),
        ("accepted", "cancelled"),
        ("in-progress", "cancelled"),
        ("completed", "entered-in-error"),
        ("completed", "completed"),
    ],
)
def test_allowed(before: str, after: str) -> None:
    assert illegal_transition({"code": OURS, "status": before}, {"status": after}) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("requested", "completed"),
        ("completed", "requested"),
        ("cancelled", "completed"),
        ("cancelled", "in-progress"),
        ("failed", "requested"),
        ("rejected", "accepted"),
        ("entered-in-error", "requested"),
        ("in-progress", "draft"),
    ],
)
def test_refused(before: str, after: str) -> None:
    assert illegal_transition({"code": OURS, "status": before}, {"status": after})


@given(before=STATES, after=STATES)
def test_nothing_leaves_a_final_state_but_for_entered_in_error(before: str, after: str) -> None:
    refused = illegal_transition({"code": OURS, "status": before}, {"status": after})
    if before in FINAL and after not in {before, "entered-in-error"}:
        assert refused


@given(before=STATES, after=STATES)
def test_anybody_elses_task_goes_where_it_likes(before: str, after: str) -> None:
    foreign = {"coding": [{"system": "urn:other", "code": "x"}]}
    assert illegal_transition({"code": foreign, "status": before}, {"status": after}) is None
