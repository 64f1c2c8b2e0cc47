"""What the manifest says that is no measurement: what the model is for, in codes and words."""

from __future__ import annotations

from dataclasses import asdict

from inference.models.chest_xray_pneumonia.preprocess import Preprocessing
from inference.models.manifest import (
    Calibration,
    Capability,
    Code,
    Decision,
    Explanation,
    Manifest,
    Novelty,
    Population,
    Weights,
)
from inference.training.evaluation import WITHIN, Settings

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"


def describe(
    weights: Weights, preprocessing: Preprocessing, settings: Settings, version: str
) -> Manifest:
    """Return the manifest of one set of weights."""
    return Manifest(
        name="chest-xray-pneumonia",
        version=version,
        title="Pneumonia on a frontal chest radiograph",
        analysis="chest-xray-pneumonia",
        licence="Apache-2.0",
        card="MODEL_CARD.md",
        weights=weights,
        finding=Code(SNOMED, "233604007", "Pneumonia"),
        body_site=Code(SNOMED, "39607008", "Lung structure"),
        report=Code(LOINC, "36554-4", "XR Chest Single view"),
        capability=Capability(
            modalities=("CR", "DX", "RG"),
            body_parts=("CHEST", "THORAX", "LUNG", "LUNGS", "THORACIC"),
            views=("PA", "AP"),
        ),
        population=Population(
            youngest_years=1,
            oldest_years=5,
            described="children of one to five years of one hospital (Guangzhou)",
        ),
        preprocessing=asdict(preprocessing),
        calibration=Calibration(settings.temperature),
        decision=Decision(
            settings.threshold,
            "highest threshold at which 95 % of the pneumonia images of the tuning half are found, "
            "clean and shifted together",
        ),
        novelty=Novelty(
            settings.distance_limit,
            f"midway between the {WITHIN:.1%} quantile of the tuning half's radiographs, clean and "
            "shifted together, and the nearest of half the foreign pictures",
        ),
        explanation=Explanation(settings.full_scale_logit),
    )
