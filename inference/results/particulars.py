"""The rows of a report that say what was analysed and by what, for HTML and PDF alike."""

from __future__ import annotations

from inference.results import wording
from inference.results.case import Result
from terminology.analyses import ANALYSES

Rows = list[tuple[str, str]]


def title(result: Result) -> str:
    return ANALYSES[result.model.analysis].display


def subject(result: Result) -> Rows:
    case = result.case
    rows = [
        ("Patient", case.patient),
        ("Accession", case.accession),
        ("Image source", case.source),
        ("Study Instance UID", case.study_instance_uid),
        ("SOP Instance UID", case.sop_instance_uid),
        ("Acquired", case.study_started or "not stated"),
    ]
    return [(name, value) for name, value in rows if value]


def method(result: Result) -> Rows:
    model = result.model
    return [
        ("Model", wording.model_words(result)),
        ("Weights", f"sha256 {model.sha256}"),
        ("Device", f"Device/{model.device}"),
        ("Model card", f"DocumentReference/{model.card}"),
        ("Explanation", f"{model.explanation_method}, layer {model.explanation_layer}"),
        *(
            ("Decision threshold", wording.percent(finding.threshold))
            for finding in result.findings
        ),
        ("Task", f"Task/{result.case.task}"),
        ("Software", result.software),
    ]
