"""What becomes of a Task that was not finished: it waits and is tried again, or it has been tried enough.

Waiting times double from attempt to attempt and are spread at random, so that Tasks which failed together do not
meet again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fhir_api.tasks.queue import PRIORITY
from store.interface import QueueAction, QueueChange, QueueEntry
from terminology.analyses import device_topic
from terminology.task_reasons import status_reason


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a Task waits after its n-th attempt, and what its end is called."""

    first_s: float
    most_s: float
    ends_as: str
    """Code of the reason that it fails with when the attempts are used up."""
    attempts_factor: int = 1
    """How many times the deployment's attempt limit this reason may be tried."""


BACKOFFS: Mapping[str, Backoff] = MappingProxyType(
    {
        "lease-expired": Backoff(1, 60, "attempts-exhausted"),
        "waiting-to-retry": Backoff(2, 120, "transient-error"),
        "waiting-for-instances": Backoff(5, 300, "study-incomplete", attempts_factor=2),
        "study-changed": Backoff(0, 60, "attempts-exhausted"),
        "handed-back": Backoff(0, 0, "attempts-exhausted"),
    }
)
"""Reason of a return to the queue → how it is tried again. The last is no attempt: it never ends a Task."""


@dataclass(frozen=True, slots=True)
class Return:
    """How a Task leaves its worker's hands: the members that change, and its queue entry."""

    changes: Mapping[str, Any]
    queue: QueueChange


def returned(
    task: Mapping[str, Any],
    entry: QueueEntry,
    reason: str,
    now_us: int,
    attempt_limit: int,
    *,
    counts: bool,
    text: str | None = None,
    delay_s: float | None = None,
) -> Return:
    """Back to ``requested`` with a reason, or ``failed`` when the attempts are used up.

    ``reason`` is a key of BACKOFFS; ``counts`` says whether this was an attempt (it was begun) or the Task only lay
    in a worker's hands; ``delay_s`` is how long it waits, where the worker knows better than the backoff.
    """
    backoff = BACKOFFS[reason]
    if counts and entry.attempts >= attempt_limit * backoff.attempts_factor:
        failed = {"status": "failed", "statusReason": status_reason(backoff.ends_as, text)}
        return Return({**failed, "businessStatus": None}, QueueChange(QueueAction.REMOVE))
    attempts = entry.attempts if counts else max(entry.attempts - 1, 0)
    wait_s = _wait_s(backoff, attempts) if delay_s is None else delay_s
    changes = {
        "status": "requested",
        "statusReason": status_reason(reason, text),
        "businessStatus": None,
        "owner": _owner(task, entry),
    }
    queue = QueueChange(
        QueueAction.PUT,
        topics=entry.topics,
        priority=PRIORITY.get(str(task.get("priority", "routine")), 0),
        enqueued_at_us=entry.enqueued_at_us,
        ready_at_us=now_us + int(wait_s * 1_000_000),
        attempts=attempts,
    )
    return Return(changes, queue)


def _wait_s(backoff: Backoff, attempts: int) -> float:
    bound = min(backoff.most_s, backoff.first_s * 2.0 ** min(max(attempts - 1, 0), 30))
    return bound * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret


def _owner(task: Mapping[str, Any], entry: QueueEntry) -> Any:  # noqa: ANN401 - a member of a JSON tree
    """The owner that the requester named; one that a claim put there goes with the claim."""
    owner = task.get("owner")
    reference = owner.get("reference") if isinstance(owner, dict) else None
    if isinstance(reference, str) and reference.startswith("Device/"):
        named = device_topic(reference.removeprefix("Device/")) in entry.topics
        return owner if named else None
    return owner
