"""Deterministic ids: the same Task always leaves the same resources, so a retry can double nothing."""

from __future__ import annotations

from uuid import UUID, uuid5

_NAMESPACE = UUID("5f0c1c1e-5a43-5d0e-9c35-0a8d5f6f6a11")


def result_id(task: str, role: str) -> str:
    """The id of a Task's result in one role (``report``, ``observation-pneumonia``, ``overlay``)."""
    return str(uuid5(_NAMESPACE, f"{task}/{role}"))


def result_uid(task: str, role: str) -> str:
    """The DICOM UID of the same result: its UUID as PS3.5 B.2 derives one."""
    return f"2.25.{UUID(result_id(task, role)).int}"
