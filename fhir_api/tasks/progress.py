"""Progress is not history: stage and percent stand beside the Task and are merged into what is read.

The store keeps them as the finished ``businessStatus`` (a CodeableConcept in JSON), so a read only puts one member
in its place. https://hl7.org/fhir/R4/task-definitions.html#Task.businessStatus
"""

from __future__ import annotations

import msgspec

STAGE_SYSTEM = "urn:healthvision:task-stage"
PERCENT_URL = "urn:healthvision:percent-complete"
"""Extension on ``businessStatus``: valueInteger 0..100."""


def business_status(stage: str, percent: int | None, text: str | None) -> bytes:
    """The CodeableConcept that a progress report becomes, as JSON.

    Args:
        stage: code of the stage the worker is in (``fetch``, ``predict``, …).
        percent: 0..100, where the worker knows.
        text: what a person may read, without anything about the patient.
    """
    concept: dict[str, object] = {}
    if percent is not None:
        concept["extension"] = [{"url": PERCENT_URL, "valueInteger": percent}]
    concept["coding"] = [{"system": STAGE_SYSTEM, "code": stage}]
    concept["text"] = text or stage
    return msgspec.json.encode(concept)


class _Status(msgspec.Struct, frozen=True):
    status: str = ""


_status = msgspec.json.Decoder(_Status)
_UNDER_WAY = frozenset({"accepted", "in-progress"})


def may_have_progress(content: bytes) -> bool:
    """Whether a stored Task is in a state in which a worker reports progress. Takes about a microsecond."""
    return _status.decode(content).status in _UNDER_WAY


def merge(content: bytes, progress: bytes) -> bytes:
    """The Task as it is read: its stored JSON with ``businessStatus`` replaced by the progress.

    Args:
        content: a stored Task; every other member stays as it was sent, byte for byte.
        progress: ``QueueEntry.progress``; empty leaves the Task as it is.
    """
    if not progress:
        return content
    members = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    members["businessStatus"] = msgspec.Raw(progress)
    return msgspec.json.encode(members)
