"""What writing a Task does to its place in the queue.

Every write of a Task comes through ``queue_change``, so the queue can never say anything else than the Task does:
``requested`` waits, ``accepted`` and ``in-progress`` are leased, every other state is out of the queue.
States: https://hl7.org/fhir/R4/task.html#statemachine
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from store.interface import QueueAction, QueueChange, QueueEntry
from terminology.analyses import (
    ANALYSES,
    ANALYSIS_SYSTEM,
    analysis_of_device,
    analysis_of_study,
    device_topic,
)

PRIORITY: Mapping[str, int] = MappingProxyType({"stat": 3, "asap": 2, "urgent": 1, "routine": 0})
"""``Task.priority`` (default routine) → rank in the queue, higher first."""

WAITING = "requested"
WORKING = frozenset({"accepted", "in-progress"})

EXTERNAL_OWNER = "external"
"""Who holds the lease of a Task that was accepted by a plain update instead of ``$claim``."""
EXTERNAL_LEASE_S = 1800
"""How long such a Task may stay without another update before it returns to the queue."""

ReadStudy = Callable[[str], Awaitable[dict[str, Any] | None]]
"""Resolves ``ImagingStudy/x`` within the same transaction first, then in the store."""


async def queue_change(
    task: dict[str, Any], previous: QueueEntry | None, read_study: ReadStudy, now_us: int
) -> QueueChange | None:
    """The queue's side of a Task about to be written. None: it neither has nor gets a queue entry.

    Args:
        task: the Task as it will be stored.
        previous: its queue entry now.
        read_study: finds the study in ``focus`` of a Task without a code.
        now_us: microseconds since 1970 UTC.
    """
    status = task.get("status")
    if status == WAITING:
        topics = await topics_of(task, read_study)
        if not topics:
            return QueueChange(QueueAction.REMOVE) if previous else None
        return QueueChange(
            QueueAction.PUT,
            topics=topics,
            priority=PRIORITY.get(str(task.get("priority", "routine")), 0),
            enqueued_at_us=previous.enqueued_at_us if previous else now_us,
            ready_at_us=previous.ready_at_us if previous and previous.owner is None else now_us,
            attempts=None if previous else 0,
        )
    if status in WORKING:
        return _working(previous, now_us)
    return QueueChange(QueueAction.REMOVE) if previous else None


async def topics_of(task: Mapping[str, Any], read_study: ReadStudy) -> tuple[str, ...]:
    """Whom the Task waits for. Empty: it is not ours and is left alone.

    A Device named as owner or input answers alone; else the analysis in ``code``; else, with no code at all, the
    analysis that fits the study in ``focus``. A Task with anybody else's code waits for nobody here.
    """
    devices = tuple(dict.fromkeys(_devices_of(task)))
    if devices:
        return tuple(device_topic(device) for device in devices)
    if task.get("code"):
        return tuple(ANALYSES[code].topic for code in _codes_of(task))
    focus = study_of(task)
    study = await read_study(focus) if focus else None
    analysis = analysis_of_study(study) if study else None
    return (analysis.topic,) if analysis else ()


def may_be_ours(task: Mapping[str, Any]) -> bool:
    """Whether the Task names one of our analyses or Devices, or names nothing but a study."""
    if any(True for _ in _devices_of(task)) or any(True for _ in _codes_of(task)):
        return True
    return not task.get("code") and study_of(task) is not None


def study_of(task: Mapping[str, Any]) -> str | None:
    """``ImagingStudy/<id>`` of ``Task.focus``, where it is one of this server."""
    reference = _reference(task.get("focus"))
    return reference if reference and reference.startswith("ImagingStudy/") else None


def _working(previous: QueueEntry | None, now_us: int) -> QueueChange | None:
    """Keeps a worker's lease; a Task accepted by a plain update gets a long lease instead, renewed by each update."""
    if previous is None:
        return None
    if previous.owner not in {None, EXTERNAL_OWNER}:
        return QueueChange(QueueAction.KEEP)
    return QueueChange(
        QueueAction.LEASE,
        owner=EXTERNAL_OWNER,
        lease_expires_at_us=now_us + EXTERNAL_LEASE_S * 1_000_000,
    )


def _codes_of(task: Mapping[str, Any]) -> Iterator[str]:
    code = task.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    for coding in codings if isinstance(codings, list) else []:
        if isinstance(coding, dict) and coding.get("system") == ANALYSIS_SYSTEM:
            code_of_ours = str(coding.get("code"))
            if code_of_ours in ANALYSES:
                yield code_of_ours


def _devices_of(task: Mapping[str, Any]) -> Iterator[str]:
    """Ids of our model Devices that ``owner`` or an ``input`` refers to."""
    inputs = task.get("input")
    candidates: list[object] = [task.get("owner")]
    candidates += [
        item.get("valueReference")
        for item in (inputs if isinstance(inputs, list) else [])
        if isinstance(item, dict)
    ]
    for candidate in candidates:
        reference = _reference(candidate)
        if reference and reference.startswith("Device/"):
            device = reference.removeprefix("Device/").split("/")[0]
            if analysis_of_device(device):
                yield device


def _reference(value: object) -> str | None:
    if isinstance(value, dict) and isinstance(value.get("reference"), str):
        return str(value["reference"])
    return None
