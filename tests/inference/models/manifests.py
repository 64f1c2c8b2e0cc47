"""The chest radiograph model's manifest with numbers of a test's own."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from inference.models.manifest import (
    Calibration,
    Decision,
    Explanation,
    Manifest,
    Novelty,
    Weights,
)
from inference.models.registry import installed_model


def manifest(weights: bytes = b"weights", **changes: Any) -> Manifest:
    """What is committed, but for other weights and with round figures."""
    return dataclasses.replace(
        installed_model("chest-xray-pneumonia").manifest,
        version="1.2.3",
        weights=Weights("weights.onnx", hashlib.sha256(weights).hexdigest(), len(weights), "none"),
        calibration=Calibration(temperature=1.5),
        decision=Decision(threshold=0.4, rule="a test's"),
        novelty=Novelty(limit=2.0, rule="a test's"),
        explanation=Explanation(full_scale_logit=6.0),
        **changes,
    )
