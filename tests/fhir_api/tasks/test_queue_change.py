"""Which Tasks are ours and what their states mean for the queue: https://hl7.org/fhir/R4/task.html#statemachine"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_api.tasks.queue import EXTERNAL_OWNER, queue_change
from store.interface import QueueAction, QueueEntry
from terminology.analyses import ANALYSIS_SYSTEM

NOW_US = 1_000_000_000_000_000
OURS = {"coding": [{"system": ANALYSIS_SYSTEM, "code": "chest-xray-pneumonia"}]}
FOREIGN = {"coding": [{"system": "urn:fhirload:code", "code": "nodule-detection"}]}
CHEST = {
    "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CR"},
    "bodySite": {"system": "http://snomed.info/sct", "code": "51185008"},
}
ENTRY = QueueEntry("Task", "1", ("analysis:chest-xray-pneumonia",), 0, 5, 7, None, 0, 1, b"")


def task(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Task", "status": "requested", "intent": "order"} | members


async def changed(
    task: dict[str, Any], previous: QueueEntry | None = None, study: Any = None
) -> Any:
    async def read_study(reference: str) -> dict[str, Any] | None:
        assert reference == "ImagingStudy/s"
        return study

    return await queue_change(task, previous, read_study, NOW_US)


async def test_a_task_with_our_code_waits_for_that_analysis() -> None:
    change = await changed(task(code=OURS))
    assert (change.action, change.topics) == (QueueAction.PUT, ("analysis:chest-xray-pneumonia",))
    assert (change.enqueued_at_us, change.ready_at_us, change.attempts) == (NOW_US, NOW_US, 0)


@pytest.mark.parametrize(
    "naming",
    [
        {"owner": {"reference": "Device/ai-chest-xray-pneumonia-1.2.0"}},
        {
            "input": [
                {
                    "type": {"text": "model"},
                    "valueReference": {"reference": "Device/ai-chest-xray-pneumonia-1.2.0"},
                }
            ]
        },
    ],
)
@pytest.mark.parametrize("code", [{}, {"code": OURS}, {"code": FOREIGN}])
async def test_a_named_device_answers_alone(naming: dict[str, Any], code: dict[str, Any]) -> None:
    change = await changed(task(**naming, **code))
    assert change.topics == ("device:ai-chest-xray-pneumonia-1.2.0",)


async def test_anybody_elses_code_is_left_alone() -> None:
    focus = {"reference": "ImagingStudy/s"}
    assert await changed(task(code=FOREIGN, focus=focus), study={"series": [CHEST]}) is None


@pytest.mark.parametrize(
    ("study", "ours"),
    [
        ({"series": [CHEST]}, True),
        ({"series": [{"modality": CHEST["modality"]}]}, True),
        ({"modality": [CHEST["modality"]]}, True),
        ({"description": "Chest PA", "series": [{"modality": CHEST["modality"]}]}, True),
        ({"description": "Left knee", "series": [{"modality": CHEST["modality"]}]}, False),
        (
            {
                "series": [
                    CHEST | {"bodySite": {"system": "http://snomed.info/sct", "code": "72696002"}}
                ]
            },
            False,
        ),
        ({"series": [CHEST | {"modality": {"code": "CT"}}]}, False),
        ({}, False),
        (None, False),
    ],
)
async def test_without_a_code_the_study_decides(study: Any, ours: bool) -> None:
    change = await changed(task(focus={"reference": "ImagingStudy/s"}), study=study)
    assert (change is not None) == ours


@pytest.mark.parametrize(
    ("priority", "rank"), [("stat", 3), ("asap", 2), ("urgent", 1), ("routine", 0), (None, 0)]
)
async def test_priority_ranks_and_is_routine_by_default(priority: str | None, rank: int) -> None:
    members = {"priority": priority} if priority else {}
    assert (await changed(task(code=OURS, **members))).priority == rank


async def test_an_edit_while_waiting_keeps_place_attempts_and_backoff() -> None:
    change = await changed(task(code=OURS, priority="stat"), previous=ENTRY)
    assert (change.enqueued_at_us, change.ready_at_us, change.attempts) == (5, 7, None)
    assert change.priority == 3


async def test_a_claimed_task_that_is_requested_again_is_ready_at_once() -> None:
    change = await changed(task(code=OURS), previous=replace(ENTRY, owner="w"))
    assert (change.action, change.ready_at_us, change.enqueued_at_us) == (
        QueueAction.PUT,
        NOW_US,
        5,
    )


async def test_a_workers_own_updates_keep_its_lease() -> None:
    change = await changed(
        task(code=OURS, status="in-progress"), previous=replace(ENTRY, owner="w")
    )
    assert change.action is QueueAction.KEEP


async def test_a_task_accepted_by_a_plain_update_gets_a_long_lease() -> None:
    change = await changed(task(code=OURS, status="accepted"), previous=ENTRY)
    assert (change.action, change.owner) == (QueueAction.LEASE, EXTERNAL_OWNER)
    assert change.lease_expires_at_us > NOW_US


@pytest.mark.parametrize(
    "status",
    ["completed", "failed", "rejected", "cancelled", "entered-in-error", "on-hold", "draft"],
)
async def test_every_other_state_is_out_of_the_queue(status: str) -> None:
    assert (await changed(task(code=OURS, status=status), ENTRY)).action is QueueAction.REMOVE
    assert await changed(task(code=OURS, status=status)) is None


async def test_a_task_whose_code_becomes_anothers_leaves_the_queue() -> None:
    assert (await changed(task(code=FOREIGN), ENTRY)).action is QueueAction.REMOVE
