"""A result to author from, with pixels that a test can make."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.results.case import (
    Case,
    Caution,
    Coded,
    Explanation,
    Finding,
    Model,
    Picture,
    Result,
)

MODEL = Model(
    analysis="chest-xray-pneumonia",
    version="1.0.0",
    title="HealthVision chest radiograph pneumonia",
    sha256="ab" * 32,
    device="ai-chest-xray-pneumonia-1.0.0",
    card="ai-chest-xray-pneumonia-1.0.0-card",
    card_markdown="# Model card\n\nData, split, figures.\n",
    intended_use="For research on children's frontal chest radiographs; not a medical device.",
    explanation_method="class activation map (CAM)",
    explanation_layer="features",
    report=Coded("http://loinc.org", "30745-4", "XR Chest Views"),
)

PNEUMONIA = Coded("http://snomed.info/sct", "233604007", "Pneumonia")
LUNG = Coded("http://snomed.info/sct", "39607008", "Lung structure")

CASE = Case(
    task="task-1",
    patient="Patient/p1",
    source="ImagingStudy/s1",
    study_instance_uid="1.2.3",
    sop_instance_uid="1.2.3.4",
    study_started="2026-03-02T10:00:00Z",
    accession="A123",
)

ADULT = Caution(
    "outside-training-ages-adult",
    "The patient is 51 years old; this model was trained on children's radiographs only, "
    "and how well it does on adults is not known.",
)


def explanation(rows: int = 320, columns: int = 256) -> Explanation:
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    grey = (
        40 + 150 * np.exp(-(((x - columns / 3) / 60) ** 2 + ((y - rows / 2) / 90) ** 2))
    ).astype(np.uint8)
    overlay = np.stack(
        [np.minimum(grey.astype(np.uint16) + 60, 255).astype(np.uint8), grey, grey], -1
    )
    heat = np.linspace(0, 255, 49).astype(np.uint8).reshape(7, 7)
    return Explanation(
        grey,
        overlay,
        True,
        lambda: picture(overlay),
        lambda: picture(heat),
        "255 is the strongest evidence.",
    )


def picture(pixels: NDArray[np.uint8]) -> Picture:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return Picture(file.getvalue(), pixels.shape[0], pixels.shape[1])


def result(probability: float = 0.9731, cautions: tuple[Caution, ...] = ()) -> Result:
    return Result(
        case=CASE,
        model=MODEL,
        findings=(Finding(PNEUMONIA, LUNG, probability, 0.61),),
        explanation=explanation(),
        started=datetime(2026, 3, 2, 10, 5, tzinfo=UTC),
        finished=datetime(2026, 3, 2, 10, 5, 1, tzinfo=UTC),
        cautions=cautions,
        software="HealthVision 0.1.0",
    )
