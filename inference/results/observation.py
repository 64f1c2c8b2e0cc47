"""A finding as an Observation: https://hl7.org/fhir/R4/observation.html"""

from __future__ import annotations

from typing import Any

from inference.results import codes, wording
from inference.results.authored import authored, reference
from inference.results.case import Caution, Finding, Result
from inference.results.head import about, labelled
from terminology.task_reasons import TASK_REASON_SYSTEM, TASK_REASONS


def observation(result: Result, finding: Finding, media: list[dict[str, Any]]) -> dict[str, Any]:
    """One finding: present or not, its calibrated probability twice (extension and component), its threshold."""
    said = codes.FINDINGS[finding.code]
    return authored(
        labelled(result, "Observation", f"observation-{finding.code}")
        | {
            "extension": [
                {"url": codes.AI_CONFIDENCE, "valueDecimal": wording.decimal(finding.probability)}
            ],
            "status": "preliminary",
            "category": [codes.IMAGING],
            "code": said.concept,
            **about(result),
            "effectiveDateTime": result.case.study_started,
            "issued": result.finished.isoformat(timespec="milliseconds"),
            "performer": [{"reference": f"Organization/{result.organization}"}],
            "valueCodeableConcept": codes.DETECTED if finding.detected else codes.NOT_DETECTED,
            "interpretation": [codes.POSITIVE if finding.detected else codes.NEGATIVE],
            "note": _notes(result, finding),
            "bodySite": said.body_site,
            "method": {"text": wording.method_sentence(result)},
            "device": {"reference": f"Device/{result.model.device}"},
            "derivedFrom": [{"reference": result.case.study}, *map(reference, media)],
            "component": [
                {"code": codes.CERTAINTY, "valueQuantity": _percent(finding.probability)},
                {"code": codes.THRESHOLD, "valueQuantity": _percent(finding.threshold)},
                *map(_caution, result.cautions),
            ],
        }
    )


def _percent(probability: float) -> dict[str, Any]:
    sign = wording.comparator(probability)
    quantity: dict[str, Any] = {"value": round(100 * wording.decimal(probability), 1)}
    if sign:
        quantity["comparator"] = sign
    return quantity | {"unit": "%", "system": codes.UCUM, "code": "%"}


def _caution(caution: Caution) -> dict[str, Any]:
    display = TASK_REASONS[caution.code]
    return {
        "code": codes.CAUTION,
        "valueCodeableConcept": codes.concept(
            TASK_REASON_SYSTEM, caution.code, display, caution.text
        ),
    }


def _notes(result: Result, finding: Finding) -> list[dict[str, str]]:
    """In the order in which they should be read: nobody looked, then the cautions, then the figures' meaning."""
    noun = codes.FINDINGS[finding.code].noun
    sentences = [
        f"Result of an AI. {wording.UNREVIEWED}",
        *(f"Caution: {caution.text}" for caution in result.cautions),
        f"The confidence is the calibrated probability that {noun} is visible, not that this answer is right.",
    ]
    return [{"text": sentence} for sentence in sentences]
