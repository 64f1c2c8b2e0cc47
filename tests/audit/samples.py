"""Accesses of every kind that BALP has a row for, and of those that it has none for."""

from __future__ import annotations

from typing import Any

import orjson

from audit.access import Access, Actor, Target, encoded_actor
from audit.balp import Event, events_of

AT_US = 1_795_000_000_123_456
SERVICE = Actor("operator")
USER = Actor("imaging-viewer", "Practitioner/7", "f81d4fae", "jti-1", "TREAT", ("radiologist",))
BACKEND = Actor("ai-worker", "", "service-1", "jti-2")
EMERGENCY = Actor("imaging-viewer", "Practitioner/7", "f81d4fae", "jti-3", "BTG")
CALLERS = {"deployment": SERVICE, "user": USER, "backend": BACKEND, "emergency": EMERGENCY}

OBSERVATION = Target("Observation", "o1", 2)
ORGANIZATION = Target("Organization", "org", 1)
PATIENTS = {"Observation/o1": ("p1",), "Patient/p1": ("p1",), "List/l1": ("p1", "p2")}

ROWS: dict[str, tuple[str, tuple[str, ...], str, tuple[Target, ...]]] = {
    "read": ("GET", ("Observation", "o1"), "", (OBSERVATION,)),
    "read of a patient": ("GET", ("Patient", "p1"), "", (Target("Patient", "p1", 1),)),
    "read without patient": ("GET", ("Organization", "org"), "", (ORGANIZATION,)),
    "vread": ("GET", ("Observation", "o1", "_history", "2"), "", (OBSERVATION,)),
    "search": ("GET", ("Observation",), "code=x&date=ge2026", (OBSERVATION,)),
    "search without patient": ("GET", ("Organization",), "name=Å&x=%C3%A9", (ORGANIZATION,)),
    "search that finds nothing": ("GET", ("Observation",), "code=none", ()),
    "search by form": ("POST", ("Observation", "_search"), "code=x", (OBSERVATION,)),
    "search of the system": ("GET", (), "_type=Patient", (Target("Patient", "p1", 1),)),
    "create": ("POST", ("Observation",), "", (Target("Observation", "o1", 1, "POST"),)),
    "create without patient": (
        "POST",
        ("Organization",),
        "",
        (Target("Organization", "org", 1, "POST"),),
    ),
    "update": ("PUT", ("Observation", "o1"), "", (Target("Observation", "o1", 2, "PUT"),)),
    "update without patient": (
        "PUT",
        ("Organization", "org"),
        "",
        (Target("Organization", "org", 2, "PUT"),),
    ),
    "patch": ("PATCH", ("Observation", "o1"), "", (Target("Observation", "o1", 3, "PATCH"),)),
    "delete": ("DELETE", ("Observation", "o1"), "", (Target("Observation", "o1", 4, "DELETE"),)),
    "delete without patient": (
        "DELETE",
        ("Organization", "org"),
        "",
        (Target("Organization", "org", 3, "DELETE"),),
    ),
}
"""What BALP has a profile for."""

OTHERS: dict[str, tuple[str, tuple[str, ...], str, tuple[Target, ...]]] = {
    "history": ("GET", ("Observation", "o1", "_history"), "", (OBSERVATION,)),
    "history of a type": ("GET", ("Observation", "_history"), "_count=1", (OBSERVATION,)),
    "history of all": ("GET", ("_history",), "", ()),
    "operation": ("POST", ("Task", "$claim"), "", ()),
    "operation on one": ("GET", ("Patient", "p1", "$everything"), "", (OBSERVATION,)),
    "transaction": ("POST", (), "", ()),
    "unknown address": ("GET", ("..", "<b>", "x"), "", ()),
}
"""What BALP has none for."""


def access(
    row: tuple[str, tuple[str, ...], str, tuple[Target, ...]],
    actor: Actor = SERVICE,
    status: int = 200,
) -> Access:
    method, path, query, targets = row
    return Access(
        at_us=AT_US,
        request_id="req-1",
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        method=method,
        path=path,
        query=query,
        status=status,
        actor=encoded_actor(actor),
        address="192.0.2.7",
        base_url="https://fhir.example.org/fhir",
        targets=targets,
    )


def patients_of(target: Target) -> tuple[str, ...]:
    return PATIENTS.get(f"{target.type}/{target.id}", ())


def events(one: Access, source: str = "journal:0") -> list[Event]:
    return events_of(one, source, patients_of)


def trees(one: Access) -> list[dict[str, Any]]:
    return [orjson.loads(event.content) for event in events(one)]


def all_events() -> dict[str, bytes]:
    """Name → AuditEvent: every row by every kind of caller, done and refused."""
    found: dict[str, bytes] = {}
    for caller, actor in CALLERS.items():
        for name, row in (ROWS | OTHERS).items():
            for status in (200, 403, 500):
                targets = row[3] if status == 200 else ()
                one = access((*row[:3], targets), actor, status)
                for number, event in enumerate(events(one, f"{caller} {name} {status}")):
                    found[f"{caller}: {name}: {status}: {number}"] = event.content
    return found
