"""Which state a Task of ours may go to from where (https://hl7.org/fhir/R4/task.html#statemachine).

Besides the specification's arrows a worker may hand a Task back (``accepted`` or ``in-progress`` → ``requested``).
Only Tasks that ask for one of our analyses are held to this; anybody else's are stored as they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fhir_api.tasks.queue import may_be_ours

FINAL = frozenset({"completed", "failed", "rejected", "cancelled", "entered-in-error"})

_ENDS = frozenset({"cancelled", "entered-in-error"})
_OPEN = frozenset({"accepted", "ready", "in-progress", "on-hold", "failed", "rejected"}) | _ENDS

NEXT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "draft": frozenset({"requested", "received", "ready"}) | _OPEN,
        "requested": frozenset({"received"}) | _OPEN,
        "received": frozenset({"requested"}) | _OPEN,
        "accepted": frozenset({"requested", "completed"}) | _OPEN,
        "ready": frozenset({"requested"}) | _OPEN,
        "in-progress": frozenset({"requested", "completed"}) | _OPEN,
        "on-hold": frozenset({"requested"}) | _OPEN,
        "completed": frozenset({"entered-in-error"}),
        "failed": frozenset({"entered-in-error"}),
        "rejected": frozenset({"entered-in-error"}),
        "cancelled": frozenset({"entered-in-error"}),
        "entered-in-error": frozenset(),
    }
)


def illegal_transition(previous: Mapping[str, Any] | None, task: Mapping[str, Any]) -> str | None:
    """Why the Task may not be written in its new state; None: it may.

    Args:
        previous: the Task as it is stored now, None for a new one (or one that was deleted).
        task: the Task as it would be stored.
    """
    if previous is None or not may_be_ours(previous):
        return None
    before, after = str(previous.get("status")), str(task.get("status"))
    if before == after or after in NEXT.get(before, frozenset()):
        return None
    if before in FINAL:
        return f"The Task is {before}: that state is final. Ask again with a new Task."
    return f"A Task that is {before} cannot become {after}."
