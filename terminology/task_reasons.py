"""Why a Task ended or waits: the codes of ``Task.statusReason``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TASK_REASON_SYSTEM = "urn:healthvision:task-reason"

TASK_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "attempts-exhausted": "Given up after repeated attempts that did not end",
        "handed-back": "Handed back by a worker that stops",
        "waiting-for-instances": "Waiting for the rest of the study",
        "waiting-to-retry": "Waiting to try again after a transient error",
        "lease-expired": "Returned to the queue after its worker fell silent",
        "study-incomplete": "Instances of the study did not arrive",
        "study-missing": "The Task names no study that can be read",
        "patient-mismatch": "The Task and its study are of different patients",
        "study-changed": "What the Task asks for changed while it was worked on",
        "no-suitable-image": "The study holds no image that the model reads",
        "endpoint-not-trusted": "The study's Endpoint is not one that this worker may contact",
        "pixels-unreadable": "The pixels cannot be decoded",
        "image-too-large": "The image is larger than the worker decodes",
        "transient-error": "A service stayed unreachable",
        "model-error": "The model failed on this input",
        "results-refused": "The server refused the results",
        "wrong-modality": "The image is of a modality that the model is not made for",
        "wrong-body-part": "The image shows a body part that the model is not made for",
        "wrong-view": "The image is a view that the model is not made for",
        "out-of-distribution": "The image does not look like what the model was trained on",
        "out-of-scope-age": "The patient's age is outside the model's scope",
        "degenerate-pixels": "The image holds too little to judge",
        "unsuitable": "The input does not suit the model",
    }
)
"""Code → display."""


def status_reason(code: str, text: str | None = None) -> dict[str, Any]:
    """The CodeableConcept of a reason. ``text`` adds what a person needs to know beside the code."""
    display = TASK_REASONS[code]
    coding = {"system": TASK_REASON_SYSTEM, "code": code, "display": display}
    return {"coding": [coding], "text": text or display}
