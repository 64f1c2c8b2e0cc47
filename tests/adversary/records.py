"""What is stored: one patient's record, another's that is made alike, and what concerns neither."""

from __future__ import annotations

from typing import Any

Resource = dict[str, Any]

SECRET = "Zweitpatient"
"""In every text of the second patient's; nowhere else."""


def record(x: str, name: str, born: str) -> list[Resource]:
    """The record of the patient with id ``x``: something of most that this server is for."""
    me = {"reference": f"Patient/{x}"}
    identifier = [{"system": "urn:mrn", "value": f"{name}-1"}]
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": name}

    def of(kind: str, id: str, /, **members: Any) -> Resource:
        return {"resourceType": kind, "id": f"{id}-{x}", **members}

    return [
        {
            "resourceType": "Patient",
            "id": x,
            "identifier": identifier,
            "name": [{"family": name, "given": [f"{name}-given"]}],
            "birthDate": born,
            "gender": "other",
            "managingOrganization": {"reference": "Organization/org"},
            "generalPractitioner": [{"reference": "Practitioner/doc"}],
        },
        of(
            "Observation",
            "o",
            status="final",
            code=code,
            subject=me,
            identifier=identifier,
            valueQuantity={
                "value": 61 if x == "a" else 97,
                "unit": "/min",
                "system": "http://unitsofmeasure.org",
                "code": "/min",
            },
            effectiveDateTime="2024-03-01" if x == "a" else "2024-09-09",
            performer=[{"reference": "Practitioner/doc"}],
        ),
        of(
            "Observation",
            "o2",
            status="preliminary",
            code=code,
            subject=me,
            valueString=name,
            hasMember=[{"reference": f"Observation/o-{x}"}],
            meta={"tag": [{"system": "urn:tag", "code": name}]},
        ),
        of(
            "Encounter",
            "e",
            status="finished",
            subject=me,
            **{
                "class": {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                    "code": "AMB",
                }
            },
        ),
        of(
            "ImagingStudy",
            "s",
            status="available",
            subject=me,
            identifier=[{"system": "urn:dicom:uid", "value": f"urn:oid:1.2.3.{ord(x)}"}],
            encounter={"reference": f"Encounter/e-{x}"},
        ),
        of(
            "Binary",
            "img",
            contentType="image/png",
            data="WndlaXRwYXRpZW50" if x == "b" else "AAAA",
        ),
        of(
            "Media",
            "m",
            status="completed",
            subject=me,
            content={"contentType": "image/png", "url": f"Binary/img-{x}", "title": name},
        ),
        of(
            "DiagnosticReport",
            "r",
            status="preliminary",
            code=code,
            subject=me,
            conclusion=f"{name} has a finding",
            result=[{"reference": f"Observation/o-{x}"}],
            imagingStudy=[{"reference": f"ImagingStudy/s-{x}"}],
            media=[{"link": {"reference": f"Media/m-{x}"}}],
        ),
        of(
            "Binary",
            "pdf",
            contentType="application/pdf",
            data="WndlaXRwYXRpZW50" if x == "b" else "AAAA",
            securityContext={"reference": f"DiagnosticReport/r-{x}"},
        ),
        of(
            "Task",
            "t",
            status="draft",
            intent="order",
            focus={"reference": f"ImagingStudy/s-{x}"},
            description=name,
            identifier=identifier,
            **{"for": me},
        ),
        of(
            "DocumentReference",
            "d",
            status="current",
            subject=me,
            description=name,
            content=[{"attachment": {"contentType": "image/png", "url": f"Binary/img-{x}"}}],
        ),
        of(
            "Provenance",
            "p",
            target=[me],
            recorded="2024-03-01T00:00:00Z",
            agent=[{"who": {"reference": "Practitioner/doc"}}],
        ),
        of("Device", "dev", patient=me, deviceName=[{"name": name, "type": "user-friendly-name"}]),
        of("Condition", "c", subject=me, code=code, recordedDate="2024-03-01"),
        of("Flag", "gone", status="active", code=code, subject=me),
        of(
            "AllergyIntolerance",
            "al",
            patient=me,
            code=code,
            clinicalStatus={
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                        "code": "active",
                    }
                ]
            },
        ),
        of("RelatedPerson", "rp", patient=me, name=[{"family": f"{name}-mother"}]),
        of(
            "List",
            "l",
            status="current",
            mode="working",
            subject=me,
            title=name,
            entry=[{"item": {"reference": f"Observation/o-{x}"}}],
        ),
    ]


OWN = record("a", "Erstpatient", "1950-01-01")
OTHERS = [
    *record("b", SECRET, "1975-05-05"),
    {
        "resourceType": "Group",
        "id": "g-b",
        "type": "person",
        "actual": True,
        "name": SECRET,
        "member": [{"entity": {"reference": "Patient/a"}}, {"entity": {"reference": "Patient/b"}}],
    },
    {
        "resourceType": "Observation",
        "id": "joint-b",
        "status": "final",
        "code": {"text": SECRET},
        "subject": {"reference": "Patient/b"},
        "derivedFrom": [{"reference": "Observation/o-a"}],
        "focus": [{"reference": "Practitioner/doc"}],
    },
]
"""The second patient's; two of them point at the first patient's record."""

MOVED: Resource = {
    "resourceType": "Observation",
    "id": "moved",
    "status": "preliminary",
    "code": {"text": "was the first patient's"},
    "subject": {"reference": "Patient/a"},
}
"""The first patient's once, and then somebody else's: the second's, or nobody's that is here."""

SHARED: list[Resource] = [
    {"resourceType": "Organization", "id": "org", "name": "Clinic"},
    {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Doctor"}]},
    {"resourceType": "Location", "id": "ward", "name": "Ward"},
    {
        "resourceType": "Device",
        "id": "model",
        "deviceName": [{"name": "model", "type": "model-name"}],
    },
]


def placeholder(number: int) -> Resource:
    """What stands in the place of the second patient's resource: of a type that no app in context sees."""
    return {"resourceType": "Basic", "id": f"place-{number}", "code": {"text": "nothing"}}
