"""A finding as an Observation: https://hl7.org/fhir/R4/observation.html"""

from __future__ import annotations

from typing import Any

from inference.results import codes, wording
from inference.results.authored import authored, reference
from inference.results.case import Caution, Finding, Result
from inference.results.head import about, labelled
from inference.results.narrative import narrative
from terminology.cautions import CAUTION_SYSTEM, CAUTIONS


def observation(result: Result, finding: Finding, media: list[dict[str, Any]]) -> dict[str, Any]:
    """One finding: present or not, its calibrated probability twice (extension and component), its threshold."""
    notes = _notes(result, finding)
    return authored(
        labelled(result, "Observation", observation_role(finding))
        | {
            "text": narrative(
                f"{wording.headline(finding)}. {wording.probability_sentence(finding)}",
                *(note["text"] for note in notes),
            ),
            "extension": [
                {"url": codes.AI_CONFIDENCE, "valueDecimal": wording.decimal(finding.probability)}
            ],
            "status": "preliminary",
            "category": [codes.IMAGING],
            "code": codes.coded(finding.what, finding.what.display),
            **about(result),
            "effectiveDateTime": result.case.study_started,
            "issued": result.finished.isoformat(timespec="milliseconds"),
            "performer": [{"reference": f"Organization/{result.organization}"}],
            "valueCodeableConcept": codes.DETECTED if finding.detected else codes.NOT_DETECTED,
            "interpretation": [codes.POSITIVE if finding.detected else codes.NEGATIVE],
            "note": notes,
            "bodySite": codes.coded(finding.where),
            "method": {"text": wording.method_sentence(result)},
            "device": {"reference": f"Device/{result.model.device}"},
            "derivedFrom": [*derived_from(result), *map(reference, media)],
            "component": [
                {"code": codes.CERTAINTY, "valueQuantity": _percent(finding.probability)},
                {"code": codes.THRESHOLD, "valueQuantity": _percent(finding.threshold)},
                *map(_caution, result.cautions),
            ],
        }
    )


def observation_role(finding: Finding) -> str:
    """Tells the observations of one Task apart."""
    return f"observation-{finding.what.code}"


def derived_from(result: Result) -> list[dict[str, str]]:
    """What was looked at, where an Observation can refer to it (not to a bare Binary)."""
    source = result.case.source
    return [] if source.startswith("Binary/") else [{"reference": source}]


def _percent(probability: float) -> dict[str, Any]:
    sign = wording.comparator(probability)
    quantity: dict[str, Any] = {"value": round(100 * wording.decimal(probability), 1)}
    if sign:
        quantity["comparator"] = sign
    return quantity | {"unit": "%", "system": codes.UCUM, "code": "%"}


def _caution(caution: Caution) -> dict[str, Any]:
    return {
        "code": codes.CAUTION,
        "valueCodeableConcept": codes.concept(
            CAUTION_SYSTEM, caution.code, CAUTIONS[caution.code], caution.text
        ),
    }


def _notes(result: Result, finding: Finding) -> list[dict[str, str]]:
    """In the order in which they should be read: nobody looked, then the cautions, then the figures' meaning."""
    sentences = [
        f"Result of an AI. {wording.UNREVIEWED}",
        *(f"Caution: {caution.text}" for caution in result.cautions),
        f"The confidence is the calibrated probability that {finding.noun} is visible, not that this answer is right.",
    ]
    return [{"text": sentence} for sentence in sentences]
