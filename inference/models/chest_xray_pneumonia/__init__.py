"""Pneumonia on a frontal chest radiograph: `view`, `screen`, `ChestXrayPneumonia`, pictures of the evidence."""

from inference.models.chest_xray_pneumonia.explain import (
    Picture,
    beside_scale,
    displayed,
    evidence_in_image,
    layers,
    map_picture,
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
    unfit,
)
from inference.models.chest_xray_pneumonia.view import Seen, View, view, view_of

__all__ = [
    "Caution",
    "CautionCode",
    "ChestXrayPneumonia",
    "Picture",
    "Prediction",
    "Reason",
    "Rejection",
    "Screening",
    "Seen",
    "StudyFacts",
    "View",
    "beside_scale",
    "displayed",
    "evidence_in_image",
    "layers",
    "map_picture",
    "screen",
    "unfit",
    "view",
    "view_of",
]
