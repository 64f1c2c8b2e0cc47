"""The FHIR Reference for a patient whom only DICOM files name."""

from __future__ import annotations

from typing import Any

from imaging.archive.inspect import PatientFacts


async def logical_subject(patient: PatientFacts) -> dict[str, Any]:
    """A reference by identifier (https://hl7.org/fhir/R4/references.html#logical): whoever knows the Patient can resolve it.

    An upload that names the Patient replaces it later.
    """
    if not patient.id:
        return {"type": "Patient", "display": "not stated by the DICOM files"}
    identifier: dict[str, Any] = {"value": patient.id}
    if patient.issuer:
        identifier["assigner"] = {"display": patient.issuer}
    return {"type": "Patient", "identifier": identifier}
