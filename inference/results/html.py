"""The report as one HTML file: no script, nothing loaded from anywhere, readable on paper."""

from __future__ import annotations

from typing import Any

import pybase64
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from inference.results import particulars, wording
from inference.results.case import Finding, Result

_TEMPLATE = Environment(
    loader=PackageLoader("inference", "results"),
    autoescape=select_autoescape(("j2",)),
    undefined=StrictUndefined,
).get_template("report.html.j2")


def report_html(result: Result, radiograph_jpeg: bytes, overlay_jpeg: bytes) -> bytes:
    """UTF-8 HTML with both images inside."""
    rows, columns = result.explanation.radiograph.shape
    return _TEMPLATE.render(
        title=particulars.title(result),
        finished=result.finished.strftime("%d %B %Y, %H:%M UTC"),
        unreviewed=wording.UNREVIEWED,
        not_a_diagnosis=wording.NOT_A_DIAGNOSIS,
        cautions=[caution.text for caution in result.cautions],
        findings=[_finding(finding) for finding in result.findings],
        radiograph=pybase64.b64encode_as_string(radiograph_jpeg),
        overlay=pybase64.b64encode_as_string(overlay_jpeg),
        rows=rows,
        columns=columns,
        explanation=wording.explanation_sentence(result),
        subject=particulars.subject(result),
        method=particulars.method(result),
        notes=result.notes,
        intended_use=result.model.intended_use,
    ).encode()


def _finding(finding: Finding) -> dict[str, Any]:
    mark = round(100 * finding.threshold, 1)
    return {
        "headline": wording.headline(finding),
        "probability": wording.percent(finding.probability),
        "threshold": wording.percent(finding.threshold),
        "width": round(100 * finding.probability, 1),
        "mark": mark,
        "mark_text": min(max(mark, 18.0), 82.0),
    }
