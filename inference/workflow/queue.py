"""Where a worker gets its Tasks from and what it says while it holds one; the way through our own operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from inference.client import Answer, FhirClient
from inference.workflow.hold import Hold, Standing
from inference.workflow.task import TaskDocument

_Said = dict[str, Any]
"""One parameter of an operation."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Who claims, and what it offers."""

    name: str
    """Unique among the workers of one credential."""
    analyses: tuple[str, ...]
    devices: tuple[str, ...]
    lease_s: int = 30


@dataclass(frozen=True, slots=True)
class Handback:
    """Why a Task goes back. ``reason`` is one of terminology.task_reasons."""

    reason: str
    text: str | None = None
    counts: bool = True
    """Whether it was an attempt."""


class TaskQueue(Protocol):
    """What both ways can do."""

    async def claim(self, count: int, wait_s: int, least: str = "routine") -> list[Hold]:
        """Up to ``count`` Tasks of at least this priority, now ours; waits for one up to ``wait_s`` seconds."""
        ...

    async def heartbeat(self, hold: Hold) -> Standing: ...

    async def progress(self, hold: Hold, stage: str, percent: int) -> Standing:
        """Says how far it is; the first time, the Task becomes in-progress."""
        ...

    async def hand_back(self, hold: Hold, handback: Handback) -> None:
        """Gives the Task back to be tried again, or to fail where it was tried enough."""
        ...


class OperationsQueue:
    """``Task/$claim`` and its companions (fhir_api/operations): long poll, leases, priority on the server."""

    def __init__(self, client: FhirClient, worker: Worker) -> None:
        self._client, self._worker = client, worker

    async def claim(self, count: int, wait_s: int, least: str = "routine") -> list[Hold]:
        parameters: list[_Said] = [
            {"name": "worker", "valueString": self._worker.name},
            *({"name": "analysis", "valueCode": code} for code in self._worker.analyses),
            *(
                {"name": "device", "valueReference": {"reference": f"Device/{id}"}}
                for id in self._worker.devices
            ),
            {"name": "count", "valuePositiveInt": count},
            {"name": "wait", "valueUnsignedInt": wait_s},
            {"name": "priority", "valueCode": least},
            {"name": "lease", "valuePositiveInt": self._worker.lease_s},
        ]
        answer = await self._client.operation(
            "Task/$claim", _parameters(parameters), timeout_s=wait_s + 30
        )
        return [Hold(TaskDocument.parse(content)) for content in _tasks(answer)]

    async def heartbeat(self, hold: Hold) -> Standing:
        return await self._say(hold, "heartbeat", [])

    async def progress(self, hold: Hold, stage: str, percent: int) -> Standing:
        said: list[_Said] = [
            {"name": "stage", "valueCode": stage},
            {"name": "percent", "valueInteger": percent},
        ]
        return await self._say(hold, "progress", said)

    async def hand_back(self, hold: Hold, handback: Handback) -> None:
        parameters: list[_Said] = [
            {"name": "worker", "valueString": self._worker.name},
            {"name": "reason", "valueCode": handback.reason},
            {"name": "count", "valueBoolean": handback.counts},
        ]
        if handback.text:
            parameters.append({"name": "message", "valueString": handback.text})
        await self._client.operation(f"Task/{hold.id}/$release", _parameters(parameters))

    async def _say(self, hold: Hold, operation: str, said: list[_Said]) -> Standing:
        parameters: list[_Said] = [
            {"name": "worker", "valueString": self._worker.name},
            {"name": "lease", "valuePositiveInt": self._worker.lease_s},
            *said,
        ]
        answer = await self._client.operation(
            f"Task/{hold.id}/${operation}", _parameters(parameters)
        )
        for task in _tasks(answer):
            hold.document = TaskDocument.parse(task)
        values = {item["name"]: item for item in answer.json()["parameter"]}
        return Standing(
            status=values["status"]["valueCode"],
            held=values["held"]["valueBoolean"],
            version=values["version"]["valueString"],
        )


def _parameters(parameters: Sequence[_Said]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(parameters)}


class _Parameter(msgspec.Struct):
    name: str
    resource: msgspec.Raw = msgspec.Raw()


class _Parameters(msgspec.Struct):
    parameter: list[_Parameter] = []


def _tasks(answer: Answer) -> list[msgspec.Raw]:
    """The Tasks of a ``$claim`` answer as raw JSON."""
    found = msgspec.json.decode(answer.body, type=_Parameters)
    return [item.resource for item in found.parameter if item.name == "task"]
