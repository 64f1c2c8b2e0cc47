"""One transaction Bundle: every result and the Task's completion, together or not at all.

Each entry is a PUT to a deterministic id, so sending it twice leaves one of each; the Task's PUT carries
``ifMatch``, so a Task that was cancelled or taken over in the meantime refuses all of it.
https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from typing import Any

import msgspec

from inference.results import codes, images
from inference.results.authored import reference
from inference.results.case import Picture, Result
from inference.results.diagnostic_report import diagnostic_report
from inference.results.html import report_html
from inference.results.media import attachment, binary, media
from inference.results.observation import observation
from inference.results.pdf import report_pdf
from inference.results.provenance import provenance


def resources(result: Result) -> list[dict[str, Any]]:
    """Every resource that the result leaves, the report first."""
    explanation = result.explanation
    shown = images.radiograph_jpeg(explanation), images.overlay_jpeg(explanation)
    html, pdf = report_html(result, *shown), report_pdf(result, *shown)
    overlay, heat = explanation.overlay_picture(), explanation.map_picture()
    files = {
        "overlay": ("image/png", overlay.png),
        "map": ("image/png", heat.png),
        "html": ("text/html;charset=utf-8", html),
        "pdf": ("application/pdf", pdf),
    }
    explanations = _explanations(result, overlay, heat)
    observations = [observation(result, finding, explanations) for finding in result.findings]
    presented = [
        attachment(result, role, *files[role], "Report of the AI, not reviewed by a person")
        for role in ("html", "pdf")
    ]
    report = diagnostic_report(result, observations, explanations, presented)
    binaries = [binary(result, role, *file) for role, file in files.items()]
    outputs = [report, *observations, *explanations, *binaries]
    return [*outputs, provenance(result, outputs)]


def task_outputs(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``Task.output``: the report and the observations, where a client looks first."""
    kinds = {"DiagnosticReport": "report", "Observation": "observation", "Media": "explanation"}
    return [
        {
            "type": codes.concept(codes.OUTPUTS, kinds[output["resourceType"]]),
            "valueReference": reference(output),
        }
        for output in outputs
        if output["resourceType"] in kinds
    ]


def transaction(
    base_url: str, outputs: list[dict[str, Any]], task_id: str, task: msgspec.Raw, if_match: str
) -> bytes:
    """The Bundle as JSON. ``task`` is the completed Task, its other members as the server gave them."""
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{base_url}/{output['resourceType']}/{output['id']}",
            "resource": output,
            "request": {"method": "PUT", "url": f"{output['resourceType']}/{output['id']}"},
        }
        for output in outputs
    ]
    completion = {"method": "PUT", "url": f"Task/{task_id}", "ifMatch": f'W/"{if_match}"'}
    entries.append(
        {"fullUrl": f"{base_url}/Task/{task_id}", "resource": task, "request": completion}
    )
    return msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _explanations(result: Result, overlay: Picture, heat: Picture) -> list[dict[str, Any]]:
    return [
        media(
            result,
            "overlay",
            overlay,
            "Heat map over the radiograph",
            "The radiograph under its heat map, and the scale of the colours.",
        ),
        media(
            result,
            "map",
            heat,
            "Heat map, raw",
            result.explanation.map_reading,
        ),
    ]
