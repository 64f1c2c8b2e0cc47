"""Pneumonia on a frontal chest radiograph: `screen`, `ChestXrayPneumonia`, pictures of the evidence."""

from inference.models.chest_xray_pneumonia.explain import (
    Picture,
    evidence_in_image,
    map_picture,
    overlay_picture,
)
from inference.models.chest_xray_pneumonia.predict import ChestXrayPneumonia, Prediction
from inference.models.chest_xray_pneumonia.suitability import (
    Caution,
    CautionCode,
    Reason,
    Rejection,
    Screening,
    StudyFacts,
    screen,
)

__all__ = [
    "Caution",
    "CautionCode",
    "ChestXrayPneumonia",
    "Picture",
    "Prediction",
    "Reason",
    "Rejection",
    "Screening",
    "StudyFacts",
    "evidence_in_image",
    "map_picture",
    "overlay_picture",
    "screen",
]
