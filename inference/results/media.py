"""Explanations as Media with a Binary each: https://hl7.org/fhir/R4/media.html"""

from __future__ import annotations

import hashlib
from typing import Any

import pybase64

from inference.results import codes, wording
from inference.results.authored import authored
from inference.results.case import Picture, Result
from inference.results.head import about, labelled
from inference.results.identity import result_id
from inference.results.narrative import narrative

_PHOTO = codes.concept("http://terminology.hl7.org/CodeSystem/media-type", "image", "Image")


def binary(result: Result, role: str, content_type: str, data: bytes) -> dict[str, Any]:
    """The bytes of one output; who may see the patient's report may see them (``securityContext``)."""
    task = result.case.task
    return authored(
        {
            "resourceType": "Binary",
            "id": result_id(task, f"{role}-binary"),
            "contentType": content_type,
            "securityContext": {"reference": f"DiagnosticReport/{result_id(task, 'report')}"},
            "data": pybase64.b64encode_as_string(data),
        }
    )


def attachment(
    result: Result, role: str, content_type: str, data: bytes, title: str
) -> dict[str, Any]:
    """An Attachment that points at the Binary; ``hash`` is SHA-1, as R4 defines it."""
    return {
        "contentType": content_type,
        "language": "en",
        "url": f"Binary/{result_id(result.case.task, f'{role}-binary')}",
        "size": len(data),
        "hash": pybase64.b64encode_as_string(hashlib.sha1(data, usedforsecurity=False).digest()),
        "title": title,
        "creation": result.finished.isoformat(timespec="seconds"),
    }


def media(result: Result, role: str, picture: Picture, title: str, note: str) -> dict[str, Any]:
    """One explanation image; ``note`` says how to read it."""
    sentences = (
        f"Result of an AI. {wording.UNREVIEWED}",
        wording.explanation_sentence(result),
        note,
    )
    return authored(
        labelled(result, "Media", role)
        | about(result)
        | {
            "text": narrative(f"{title}.", *sentences),
            "partOf": [{"reference": f"Task/{result.case.task}"}],
            "status": "completed",
            "type": _PHOTO,
            "createdDateTime": result.finished.isoformat(timespec="seconds"),
            "issued": result.finished.isoformat(timespec="milliseconds"),
            "bodySite": codes.coded(result.findings[0].where),
            "device": {"reference": f"Device/{result.model.device}"},
            "height": picture.rows,
            "width": picture.columns,
            "content": attachment(result, role, "image/png", picture.png, title),
            "note": [{"text": sentence} for sentence in sentences],
        }
    )
