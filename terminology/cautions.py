"""What a reader must know beside a result: the codes of its caution components."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CAUTION_SYSTEM = "urn:healthvision:caution"

CAUTIONS: Mapping[str, str] = MappingProxyType(
    {
        "outside-training-ages-adult": "Adult, and the model was trained on children",
        "outside-training-ages": "Age outside the ages of the training data",
        "age-unknown": "Age not known",
        "view-unknown": "View not recorded",
        "several-images": "Several images in the study, one was read",
    }
)
"""Code → display."""
