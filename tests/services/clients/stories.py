"""What every client sends in its tests."""

from __future__ import annotations

from typing import Any

EVERYTHING_IN = {"Patient", "Observation"}
"""Types in ``$everything`` of a patient with one observation."""


def identified(value: str, family: str = "Client") -> dict[str, Any]:
    """The members of a Patient."""
    return {
        "identifier": [{"system": "urn:test", "value": value}],
        "name": [{"family": family, "given": ["Real"]}],
    }


def observation_of(patient: str) -> dict[str, Any]:
    """The members of an Observation."""
    return {
        "status": "final",
        "code": {"text": "pulse"},
        "subject": {"reference": f"Patient/{patient}"},
        "valueQuantity": {"value": 61.50, "unit": "/min"},
    }


def transaction(value: str) -> dict[str, Any]:
    """A Bundle with a Patient and an Observation of it."""
    patient = "urn:uuid:0a3c3b5c-6a4e-4f0e-8b4b-0d5a9a3f6f10"
    observation = {**observation_of(""), "resourceType": "Observation"}
    observation["subject"] = {"reference": patient}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:6f5b3d5e-8b43-4f9c-a7c8-0d2f5a1c9b77",
                "resource": observation,
                "request": {"method": "POST", "url": "Observation"},
            },
            {
                "fullUrl": patient,
                "resource": {"resourceType": "Patient", **identified(value)},
                "request": {
                    "method": "POST",
                    "url": "Patient",
                    "ifNoneExist": f"identifier=urn:test|{value}",
                },
            },
        ],
    }


PATCH_TO_INACTIVE = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Patient.active"},
                {"name": "value", "valueBoolean": False},
            ],
        }
    ],
}
