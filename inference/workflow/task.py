"""A Task as a worker holds it: its members as the server sent them, and which version that was.

The worker changes a few members and sends the others back byte for byte, so nothing of the requester's is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

WORKING = frozenset({"accepted", "in-progress"})
"""The states in which a Task is a worker's."""

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class TaskDocument:
    """One version of a Task. ``members`` are raw JSON by name, ``tree`` is the same to look at."""

    members: Mapping[str, msgspec.Raw]
    tree: Mapping[str, Any]

    @classmethod
    def parse(cls, content: bytes | msgspec.Raw) -> Self:
        """Raises msgspec.DecodeError where it is no JSON object."""
        return cls(_MEMBERS.decode(content), msgspec.json.decode(content, type=dict[str, Any]))

    @property
    def id(self) -> str:
        return str(self.tree["id"])

    @property
    def version(self) -> str:
        return str(self.tree["meta"]["versionId"])

    @property
    def status(self) -> str:
        return str(self.tree["status"])

    @property
    def stat(self) -> bool:
        return self.tree.get("priority") == "stat"

    def reference(self, name: str) -> str | None:
        """The reference in a member like ``focus`` or ``for``."""
        return reference_of(self.tree.get(name))

    def asks_the_same_as(self, other: TaskDocument) -> bool:
        """Whether both Tasks want the same thing done: then a result for one is a result for the other."""
        wanted = ("code", "focus", "for", "input")
        return all(self.tree.get(name) == other.tree.get(name) for name in wanted)

    def changed(self, changes: Mapping[str, Any]) -> msgspec.Raw:
        """The Task with these members replaced (None: removed) and ``lastModified`` set."""
        members = dict(self.members)
        for name, value in {**changes, "lastModified": instant(datetime.now(UTC))}.items():
            if value is None:
                members.pop(name, None)
            else:
                members[name] = msgspec.Raw(msgspec.json.encode(value))
        return msgspec.Raw(msgspec.json.encode(members))

    def ended(self, status: str, **changes: Any) -> msgspec.Raw:  # noqa: ANN401 - members of a JSON tree
        """The Task in a final state: its execution ends now, what said how far it was goes."""
        period = self.tree.get("executionPeriod")
        now = instant(datetime.now(UTC))
        start = period.get("start", now) if isinstance(period, dict) else now
        final = {"status": status, "businessStatus": None, "statusReason": None}
        return self.changed({**final, "executionPeriod": {"start": start, "end": now}, **changes})


def reference_of(value: object) -> str | None:
    """``Reference.reference``, where there is one."""
    reference = value.get("reference") if isinstance(value, dict) else None
    return reference if isinstance(reference, str) else None


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
