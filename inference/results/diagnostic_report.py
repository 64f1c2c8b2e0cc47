"""The report: https://hl7.org/fhir/R4/diagnosticreport.html

Preliminary, without ``resultsInterpreter``, until a person signs it.
"""

from __future__ import annotations

from typing import Any

from inference.results import codes, wording
from inference.results.authored import authored, reference
from inference.results.case import Result
from inference.results.head import about, labelled
from inference.results.narrative import narrative


def imaging_study(result: Result) -> list[dict[str, str]]:
    """The study, where one was looked at and not a single picture."""
    source = result.case.source
    return [{"reference": source}] if source.startswith("ImagingStudy/") else []


def diagnostic_report(
    result: Result,
    observations: list[dict[str, Any]],
    media: list[dict[str, Any]],
    presented: list[dict[str, Any]],
) -> dict[str, Any]:
    """``presented`` are the Attachments of the HTML and the PDF."""
    conclusion = wording.conclusion(result)
    return authored(
        labelled(result, "DiagnosticReport", "report")
        | {
            "text": narrative(conclusion),
            **about(result),
            "status": "preliminary",
            "category": [codes.RADIOLOGY],
            "code": codes.coded(result.model.report),
            "effectiveDateTime": result.case.study_started,
            "issued": result.finished.isoformat(timespec="milliseconds"),
            "performer": [{"reference": f"Organization/{result.organization}"}],
            "result": [reference(item) for item in observations],
            "imagingStudy": imaging_study(result),
            "media": [
                {"comment": item["content"]["title"], "link": reference(item)} for item in media
            ],
            "conclusion": conclusion,
            "presentedForm": presented,
        }
    )
