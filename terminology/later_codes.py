"""Codes that came after R4 4.0.1 froze its copy of their code systems, and that imaging AI speaks in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from terminology.modalities import DICOM_ONTOLOGY

THO: Final = "http://terminology.hl7.org/CodeSystem"
OBSERVATION_VALUE: Final = f"{THO}/v3-ObservationValue"
AI_ASSERTED: Final = "AIAST"
"""The label of everything that an AI asserted (https://terminology.hl7.org/CodeSystem-v3-ObservationValue.html)."""

_LATER: Final[Mapping[str, frozenset[str]]] = {
    # The labels of AI's part in a resource: https://terminology.hl7.org/CodeSystem-v3-ObservationValue.html
    OBSERVATION_VALUE: frozenset({AI_ASSERTED, "DICTAST", "DICTRPT"}),
    f"{THO}/v3-ActCode": frozenset({"PROCESSINLINELABEL"}),
}


def is_later_code(system: str, code: str) -> bool:
    """Whether a later edition than R4's has the code. DICOM's is the one that pydicom carries."""
    if system == DICOM_ONTOLOGY:
        return code in _dicom_codes()
    return code in _LATER.get(system, ())


@cache
def _dicom_codes() -> frozenset[str]:
    from pydicom.sr.codedict import codes

    return frozenset(str(concept.value) for concept in codes.DCM.concepts.values())
