"""A ward: two patients with the same kinds of records, and what is nobody's."""

from __future__ import annotations

from typing import Any

from tests.fhir_api.client import Client, observation, patient

HIDDEN = [
    "Patient/b",
    "Observation/ob",
    "ImagingStudy/sb",
    "DiagnosticReport/rb",
    "Media/mb",
    "Binary/bb",
    "Binary/attached-b",
    "Task/tb",
    "Device/db",
    "Group/g",
    "List/l",
    "Basic/basic",
]
"""What an app of patient a does not see."""
SHOWN = [
    "Patient/a",
    "Observation/oa",
    "ImagingStudy/sa",
    "DiagnosticReport/ra",
    "Media/ma",
    "Binary/ba",
    "Binary/attached-a",
    "Task/ta",
    "Device/model",
    "Organization/org",
]
"""What it does."""


def of(kind: str, id: str, subject: str | None = None, /, **members: Any) -> dict[str, Any]:
    about = {"subject": {"reference": subject}} if subject else {}
    return {"resourceType": kind, "id": id, **about, **members}


def record(x: str) -> list[dict[str, Any]]:
    """One patient's."""
    me = f"Patient/{x}"
    code = {"text": "chest"}
    link = {"contentType": "image/png", "url": f"Binary/attached-{x}"}
    return [
        patient(
            x,
            id=x,
            name=[{"family": f"Family{x}"}],
            managingOrganization={"reference": "Organization/org"},
        ),
        observation(me, id=f"o{x}", identifier=[{"system": "urn:o", "value": x}]),
        of("ImagingStudy", f"s{x}", me, status="available"),
        of(
            "DiagnosticReport",
            f"r{x}",
            me,
            status="preliminary",
            code=code,
            result=[{"reference": f"Observation/o{x}"}],
        ),
        of("Binary", f"attached-{x}", contentType="image/png", data="AAAA"),
        of("Media", f"m{x}", me, status="completed", content=link),
        of(
            "Binary",
            f"b{x}",
            contentType="image/png",
            data="AAAA",
            securityContext={"reference": f"DiagnosticReport/r{x}"},
        ),
        of(
            "Task",
            f"t{x}",
            status="draft",
            intent="order",
            focus={"reference": f"ImagingStudy/s{x}"},
        )
        | {"for": {"reference": me}},
        of("Device", f"d{x}", patient={"reference": me}),
    ]


SHARED = [
    of("Organization", "org", name="Clinic"),
    of("Device", "model", deviceName=[{"name": "model", "type": "model-name"}]),
    of(
        "Group",
        "g",
        type="person",
        actual=True,
        member=[{"entity": {"reference": "Patient/a"}}, {"entity": {"reference": "Patient/b"}}],
    ),
    of(
        "List",
        "l",
        status="current",
        mode="working",
        entry=[
            {"item": {"reference": "Observation/oa"}},
            {"item": {"reference": "Observation/ob"}},
        ],
    ),
    of("Basic", "basic", "Patient/a", code={"text": "x"}),
]


async def fill(client: Client, *patients: str) -> Client:
    """Stores what is shared, and the records of these patients."""
    for resource in [*SHARED, *(one for x in patients for one in record(x))]:
        url = f"{resource['resourceType']}/{resource['id']}"
        made = await client.put(url, resource)
        assert made.status == 201, made.body
    return client
