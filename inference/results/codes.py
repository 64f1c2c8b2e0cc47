"""The codes that results are spelled with, each from the system that owns it."""

from __future__ import annotations

from typing import Any

from inference.results.case import Coded
from terminology.later_codes import AI_ASSERTED, OBSERVATION_VALUE

SNOMED = "http://snomed.info/sct"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
UCUM = "http://unitsofmeasure.org"
TRANSPARENCY = "http://hl7.org/fhir/uv/aitransparency"
DEVICE_TYPES = f"{TRANSPARENCY}/CodeSystem/AIdeviceTypeCS"
INPUT_TYPES = f"{TRANSPARENCY}/CodeSystem/AIinputsCS"
AI_CONFIDENCE = f"{TRANSPARENCY}/StructureDefinition/AIconfidence"

COMPONENTS = "urn:healthvision:observation-component"
OUTPUTS = "urn:healthvision:task-output"
IDENTIFIERS = "urn:healthvision:result"
"""System of the identifier that every result resource carries: ``<Task id>/<role>``."""


def concept(
    system: str, code: str, display: str | None = None, text: str | None = None
) -> dict[str, Any]:
    """A CodeableConcept with one coding."""
    coding = {"system": system, "code": code}
    if display:
        coding["display"] = display
    return {"coding": [coding]} | ({"text": text} if text else {})


AIAST: dict[str, Any] = {
    "system": OBSERVATION_VALUE,
    "code": AI_ASSERTED,
    "display": "Artificial Intelligence asserted",
}

ARTIFICIAL_INTELLIGENCE: dict[str, Any] = {
    "coding": [{"system": DEVICE_TYPES, "code": "Artificial-Intelligence"}]
}
"""Fixed by AI-Device.type and AI-Provenance.agent.role: exactly this, without display."""

IMAGING = concept(
    "http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging"
)
RADIOLOGY = concept("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")
DETECTED = concept(SNOMED, "260373001", "Detected")
NOT_DETECTED = concept(SNOMED, "260415000", "Not detected")
POSITIVE = concept(
    "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "POS", "Positive"
)
NEGATIVE = concept(
    "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "NEG", "Negative"
)
CERTAINTY = concept(DCM, "111012", "Certainty of Finding")
THRESHOLD = concept(COMPONENTS, "decision-threshold", "Decision threshold")
CAUTION = concept(COMPONENTS, "caution", "Caution")


def coded(code: Coded, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept of a model's own code."""
    return concept(code.system, code.code, code.display, text)
