"""Orders, claims and a clock that a test moves."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from terminology.analyses import ANALYSIS_SYSTEM
from tests.fhir_api.client import OPERATOR, WORKER, Client, Reply

ANALYSIS = "chest-xray-pneumonia"
DEVICE = "ai-chest-xray-pneumonia-1.0.0"
OURS = {"coding": [{"system": ANALYSIS_SYSTEM, "code": ANALYSIS}]}


@dataclass
class Clock:
    """Microseconds since 1970, as far as this test has let them run."""

    now_us: int = field(default_factory=lambda: time.time_ns() // 1000)

    def __call__(self) -> int:
        return self.now_us

    def forward(self, seconds: float) -> None:
        self.now_us += int(seconds * 1_000_000)


def order(**members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": OURS,
        "for": {"reference": "Patient/p"},
    } | members


def parameters(*items: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(items)}


def as_worker(client: Client) -> Client:
    """Operators do not work: a test that says nothing else means the deployment's worker."""
    return client.calling_as(WORKER) if client.caller is OPERATOR else client


async def claim(client: Client, worker: str = "w", *, count: int = 1, **more: Any) -> Reply:
    items = [
        {"name": "worker", "valueString": worker},
        {"name": "analysis", "valueCode": ANALYSIS},
        {"name": "device", "valueReference": {"reference": f"Device/{DEVICE}"}},
        {"name": "count", "valuePositiveInt": count},
    ]
    items += [{"name": name, "valueInteger": value} for name, value in more.items()]
    return await as_worker(client).post("Task/$claim", parameters(*items))


def tasks(reply: Reply) -> list[dict[str, Any]]:
    assert reply.status == 200, reply.body
    return [item["resource"] for item in reply.json["parameter"] if item["name"] == "task"]


async def claimed(client: Client, worker: str = "w", *, count: int = 1, **more: Any) -> list[str]:
    """Ids of what a claim got."""
    return [task["id"] for task in tasks(await claim(client, worker, count=count, **more))]


async def say(
    client: Client, id: str, operation: str, *items: dict[str, Any], worker: str = "w"
) -> Any:
    """A heartbeat, progress or release; what was answered, by name."""
    reply = await as_worker(client).post(
        f"Task/{id}/${operation}", parameters({"name": "worker", "valueString": worker}, *items)
    )
    assert reply.status == 200, reply.body
    return {
        item["name"]: next(value for name, value in item.items() if name != "name")
        for item in reply.json["parameter"]
    }


def stage(code: str, percent: int) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"name": "stage", "valueCode": code}, {"name": "percent", "valueInteger": percent}


def reason_of(task: dict[str, Any]) -> str:
    return str(task["statusReason"]["coding"][0]["code"])
