"""The sentences of a result, once: conclusion, report and Observation say the same words.

Probabilities are spelled to three decimals, as far as a calibration on some thousand images can carry, and never
as certain: beyond 0.001 and 0.999 they are said to be below or above.
"""

from __future__ import annotations

from inference.results.case import Finding, Result

UNREVIEWED = "No person has reviewed this result."
NOT_A_DIAGNOSIS = "It supports, and does not replace, the reading of a radiologist."

_LEAST, _MOST = 0.001, 0.999


def decimal(probability: float) -> float:
    """A probability as results carry it: three decimals, within 0.001 and 0.999."""
    return min(max(round(probability, 3), _LEAST), _MOST)


def comparator(probability: float) -> str | None:
    """``<`` or ``>`` where ``decimal`` had to cut (https://hl7.org/fhir/R4/valueset-quantity-comparator.html)."""
    if probability < _LEAST:
        return "<"
    return ">" if probability > _MOST else None


def percent(probability: float) -> str:
    """``97.3 %``, ``> 99.9 %``."""
    sign = comparator(probability)
    return f"{sign + ' ' if sign else ''}{100 * decimal(probability):.1f} %"


def headline(finding: Finding) -> str:
    """``Pneumonia: detected``."""
    return f"{finding.what.display}: {'detected' if finding.detected else 'not detected'}"


def probability_sentence(finding: Finding) -> str:
    return (
        f"Calibrated probability {percent(finding.probability)}, "
        f"decision threshold {percent(finding.threshold)}."
    )


def model_words(result: Result) -> str:
    """The model's title in quotes: a title can name a disease and must not read like a finding."""
    return f"“{result.model.title}”, version {result.model.version}"


def method_sentence(result: Result) -> str:
    model = result.model
    return f"{model_words(result)} (sha256 {model.sha256[:12]}…)"


def explanation_sentence(result: Result) -> str:
    model = result.model
    reading = (
        "Colour shows which regions moved the answer towards the finding; it does not outline disease."
        if result.explanation.coloured
        else "No region moved the answer towards the finding far enough to be coloured."
    )
    return (
        f"Heat map: {model.explanation_method}, layer: {model.explanation_layer}, of the model "
        f"{model_words(result)}. {reading}"
    )


def conclusion(result: Result) -> str:
    """``DiagnosticReport.conclusion``: the findings, that an AI made them, that nobody looked, and every caution."""
    parts = [f"Result of an AI model ({model_words(result)}). {UNREVIEWED}"]
    parts += [
        f"{headline(finding)}. {probability_sentence(finding)}" for finding in result.findings
    ]
    parts += [f"Caution: {caution.text}" for caution in result.cautions]
    parts += [*result.notes, NOT_A_DIAGNOSIS]
    return " ".join(parts)
