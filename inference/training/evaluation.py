"""Everything that the model card reports, measured on the exported file as it will be served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.engines import Engine
from inference.models.chest_xray_pneumonia.preprocess import Preprocessing, standardise
from inference.models.manifest import Manifest
from inference.training.calibration import choose_threshold, fit_temperature
from inference.training.faithfulness import (
    cam_importance,
    centre_importance,
    curves,
    random_importance,
)
from inference.training.measures import (
    Estimate,
    Scored,
    auc,
    brier,
    estimate,
    expected_calibration_error,
    mean_estimate,
    sensitivity_at,
    specificity_at,
)
from inference.training.radiographs import Radiographs
from inference.training.shifts import SHIFTS, shifted

Floats = NDArray[np.float64]
BATCH = 16
WITHIN = 0.995
"""Share of the tuning half's images, clean and shifted, that count as being within the training's reach."""
FULL_SCALE_SHARE = 0.9
EXPLAINED_IMAGES = 40
SHIFT_SEED = 11


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """What the graph says of a list of images."""

    logit: Floats
    distance: Floats
    cam: NDArray[np.float32]
    pixels: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """One way the radiographs were presented: as they are, or shifted."""

    name: str
    radiographs: Radiographs
    raw: Raw

    def scored(self, temperature: float) -> Scored:
        return Scored(
            self.radiographs.pneumonia,
            probabilities(self.raw.logit, temperature),
            self.radiographs.patients,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What is chosen on the tuning half and then held fixed."""

    temperature: float
    threshold: float
    distance_limit: float
    full_scale_logit: float


def settings_of(manifest: Manifest) -> Settings:
    """Return what a manifest holds fixed."""
    return Settings(
        manifest.calibration.temperature,
        manifest.decision.threshold,
        manifest.novelty.limit,
        manifest.explanation.full_scale_logit,
    )


def probabilities(logits: NDArray[Any], temperature: float) -> Floats:
    """Calibrated probabilities."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(logits, np.float64) / temperature / 2)))


def run(engine: Engine, images: Sequence[NDArray[Any]], preprocessing: Preprocessing) -> Raw:
    """Prepare images as the server does and run the graph on them."""
    pixels = np.stack([standardise(image, preprocessing).pixels for image in images])
    parts = [
        engine.run(pixels[start : start + BATCH, np.newaxis])
        for start in range(0, len(pixels), BATCH)
    ]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Raw(
        joined["logit"].astype(np.float64),
        joined["distance"].astype(np.float64),
        joined["cam"],
        pixels,
    )


def conditions(
    engine: Engine, radiographs: Radiographs, preprocessing: Preprocessing
) -> tuple[Condition, ...]:
    """Run the graph on the radiographs as they are and under every shift."""
    clean = Condition("clean", radiographs, run(engine, list(radiographs.images), preprocessing))
    return (
        clean,
        *(
            Condition(
                shift.__name__.replace("_", " "),
                radiographs,
                run(engine, shifted(radiographs, shift, SHIFT_SEED), preprocessing),
            )
            for shift in SHIFTS
        ),
    )


def tune(tuning: Sequence[Condition], nearest_foreign: float) -> Settings:
    """Choose temperature, threshold, distance limit and colour scale on clean and shifted images.

    `nearest_foreign` is the smallest distance of the pictures that must be refused: the limit lies
    midway between it and `WITHIN` of the radiographs.
    """
    logits = np.concatenate([one.raw.logit for one in tuning])
    labels = np.concatenate([one.radiographs.pneumonia for one in tuning])
    weights = np.concatenate([one.scored(1.0).weights for one in tuning])
    temperature = round(fit_temperature(logits, labels, weights), 3)
    distances = np.concatenate([one.raw.distance for one in tuning])
    bias = np.array([one.raw.logit - one.raw.cam.mean((1, 2)) for one in tuning]).mean()
    peaks = np.concatenate([one.raw.cam.max((1, 2)) for one in tuning])[labels]
    return Settings(
        temperature=temperature,
        threshold=choose_threshold(probabilities(logits, temperature), labels),
        distance_limit=round((float(np.quantile(distances, WITHIN)) + nearest_foreign) / 2, 3),
        full_scale_logit=round(float(np.quantile(peaks + bias, FULL_SCALE_SHARE)) / temperature, 1),
    )


def measure(condition: Condition, settings: Settings) -> dict[str, Any]:
    """Every measure of one condition with its interval."""
    scored = condition.scored(settings.temperature)
    beyond = condition.raw.distance > settings.distance_limit
    return {
        "condition": condition.name,
        "auc": estimate(scored, auc),
        "sensitivity": estimate(scored, sensitivity_at(settings.threshold)),
        "specificity": estimate(scored, specificity_at(settings.threshold)),
        "ece": estimate(scored, expected_calibration_error),
        "brier": estimate(scored, brier),
        "refused": float(beyond.mean()),
    }


def pooled_shifts(shifts: Sequence[Condition]) -> Condition:
    """All shifts of the same radiographs as one condition; a patient stays one patient."""
    first = shifts[0].radiographs
    n = len(shifts)
    return Condition(
        f"all {n} shifts together",
        Radiographs(
            np.concatenate([first.images] * n),
            np.tile(first.pneumonia, n),
            np.tile(first.patients, n),
            np.tile(first.names, n),
        ),
        Raw(
            np.concatenate([one.raw.logit for one in shifts]),
            np.concatenate([one.raw.distance for one in shifts]),
            np.concatenate([one.raw.cam for one in shifts]),
            shifts[0].raw.pixels,
        ),
    )


def refusals(
    engine: Engine,
    pictures: dict[str, list[NDArray[np.float32]]],
    preprocessing: Preprocessing,
    settings: Settings,
    screened: Callable[[NDArray[np.float32]], bool],
) -> list[dict[str, Any]]:
    """How many foreign pictures of each kind are refused, by the pixel screen or by their distance."""
    rows = []
    for kind, planes in pictures.items():
        raw = run(engine, planes, preprocessing)
        by_screen = np.array([screened(plane) for plane in planes])
        by_distance = raw.distance > settings.distance_limit
        rows.append(
            {
                "kind": kind,
                "tried": len(planes),
                "refused": int((by_screen | by_distance).sum()),
                "by_distance": int(by_distance.sum()),
                "smallest_distance": round(float(raw.distance.min()), 3),
                "median_distance": round(float(np.median(raw.distance)), 3),
            }
        )
    return rows


def faithfulness(engine: Engine, clean: Condition, settings: Settings) -> dict[str, Any]:
    """Deletion and insertion areas of the CAM, a random map and a centre blob, on true positives."""
    rng = np.random.default_rng(0)
    found = clean.radiographs.pneumonia & (
        probabilities(clean.raw.logit, settings.temperature) >= settings.threshold
    )
    chosen = rng.permutation(np.flatnonzero(found))[:EXPLAINED_IMAGES]

    def follow(images: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = engine.run(images[:, np.newaxis])["logit"]
        return probabilities(logits, settings.temperature).astype(np.float32)

    followed: dict[str, list[Any]] = {"CAM": [], "random map": [], "centre blob": []}
    for index in chosen:
        image = clean.raw.pixels[index]
        followed["CAM"].append(curves(image, cam_importance(clean.raw.cam[index]), follow))
        followed["random map"].append(curves(image, random_importance(rng), follow))
        followed["centre blob"].append(curves(image, centre_importance(), follow))
    cam = followed["CAM"]
    result: dict[str, Any] = {"images": len(chosen), "maps": {}, "curves": {}}
    for name, of_images in followed.items():
        deletion = np.array([one.deletion_area for one in of_images])
        insertion = np.array([one.insertion_area for one in of_images])
        result["maps"][name] = {
            "deletion": mean_estimate(deletion),
            "insertion": mean_estimate(insertion),
            "deletion_more_than_cam": mean_estimate(
                deletion - np.array([one.deletion_area for one in cam])
            ),
            "insertion_less_than_cam": mean_estimate(
                np.array([one.insertion_area for one in cam]) - insertion
            ),
        }
        result["curves"][name] = {
            "deletion": np.mean([one.deletion for one in of_images], axis=0).tolist(),
            "insertion": np.mean([one.insertion for one in of_images], axis=0).tolist(),
        }
    return result


def interval(value: Estimate, digits: int = 3) -> str:
    """Write an estimate for a table."""
    return f"{value.value:.{digits}f} ({value.low:.{digits}f}–{value.high:.{digits}f})"
