"""Whether this model may answer for an image, and what a reader must be warned of.

Two looks: at the pixels and at what is known of the study before the model runs (`unfit`, `screen`), and at how
far the picture is from the training radiographs once it has run (`Prediction.within_limit`, in predict.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from inference.models.manifest import Capability, Manifest, Population

SMALLEST_SIDE_PX = 96
LONGEST_TO_SHORTEST = 3.0
FEWEST_GREY_LEVELS = 16
CROWDED_SHARE = 0.9
ADULT_YEARS = 18


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What is known of an image beside its pixels. None, or an empty text: not known."""

    modality: str = ""
    """DICOM Modality (0008,0060); empty for a picture file."""
    body_part: str = ""
    """Body Part Examined (0018,0015), or the words that stand for it."""
    view_position: str = ""
    """View Position (0018,5101): PA, AP, LL, …"""
    patient_age_years: float | None = None
    colour: bool = False
    """The picture's channels differ: no radiograph's do."""
    frames: int = 1


class Reason(StrEnum):
    """Why there is no answer; codes of terminology.task_reasons."""

    MODALITY = "wrong-modality"
    BODY_PART = "wrong-body-part"
    VIEW = "wrong-view"
    PIXELS = "degenerate-pixels"
    PICTURE = "out-of-distribution"


class CautionCode(StrEnum):
    """What a reader must know beside the answer."""

    ADULT = "outside-training-ages-adult"
    AGE = "outside-training-ages"
    AGE_UNKNOWN = "age-unknown"
    VIEW_UNKNOWN = "view-unknown"


@dataclass(frozen=True, slots=True)
class Caution:
    """A sentence for the report, with its code."""

    code: CautionCode
    text: str

    @property
    def out_of_scope(self) -> bool:
        """Whether the patient is known to be outside the model's scope (not merely unknown)."""
        return self.code in {CautionCode.ADULT, CautionCode.AGE}


@dataclass(frozen=True, slots=True)
class Rejection:
    """A coded reason and a sentence that names nothing of the patient."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Screening:
    """The first look's outcome."""

    rejection: Rejection | None
    cautions: tuple[Caution, ...] = field(default=())


def screen(facts: StudyFacts, manifest: Manifest, pixels: Rejection | None = None) -> Screening:
    """Look at the study's facts; `pixels` is what `unfit` said of the image.

    Facts that are not known reject nothing: then the picture itself has to show that it is a chest radiograph.
    """
    rejection = _by_facts(facts, manifest.capability) or pixels
    return Screening(rejection, () if rejection else _cautions(facts, manifest.population))


def _by_facts(facts: StudyFacts, capability: Capability) -> Rejection | None:
    modality = facts.modality.strip().upper()
    if modality and modality not in capability.modalities:
        allowed = ", ".join(capability.modalities)
        return Rejection(Reason.MODALITY, f"The model reads {allowed}, not {_printable(modality)}.")
    if facts.body_part.strip() and not _words(facts.body_part) & set(capability.body_parts):
        return Rejection(Reason.BODY_PART, "The model reads radiographs of the chest only.")
    view = facts.view_position.strip().upper()
    if view and view not in capability.views:
        return Rejection(Reason.VIEW, "The model reads frontal views (PA, AP) only.")
    if facts.colour:
        return Rejection(Reason.PICTURE, "The picture is in colour; a radiograph is not.")
    if facts.frames != 1:
        return Rejection(Reason.PIXELS, "The model reads single images, not sequences.")
    return None


def _words(text: str) -> set[str]:
    return set("".join(c if c.isalnum() else " " for c in text.upper()).split())


def _printable(modality: str) -> str:
    """Return a modality as DICOM allows it (CS, 16 characters), lest a header write into a report."""
    allowed = "".join(c for c in modality if c.isascii() and (c.isalnum() or c in " _"))
    return allowed[:16] or "this modality"


def unfit(image: NDArray[np.generic]) -> Rejection | None:
    """Say why the pixels hold no picture at all, where they hold none.

    `image` is (rows, columns), displayed as MONOCHROME2.
    """
    if image.ndim != 2:
        return Rejection(Reason.PIXELS, "The image is not a single grey plane.")
    short, long = sorted(image.shape)
    if short < SMALLEST_SIDE_PX:
        return Rejection(
            Reason.PIXELS, f"The image is smaller than {SMALLEST_SIDE_PX} pixels on a side."
        )
    if long > LONGEST_TO_SHORTEST * short:
        return Rejection(Reason.PIXELS, "The image is a strip, too long for its width.")
    if not np.isfinite(image).all():
        return Rejection(Reason.PIXELS, "The image holds values that are not numbers.")
    step = max(1, short // 256)
    sample = image[::step, ::step].ravel()
    # A value that most pixels have is their median.
    crowded = (sample == np.partition(sample, len(sample) // 2)[len(sample) // 2]).mean()
    if crowded > CROWDED_SHARE or _grey_levels(sample) < FEWEST_GREY_LEVELS:
        return Rejection(Reason.PIXELS, "The image is nearly blank, or has too few shades of grey.")
    return None


def _grey_levels(sample: NDArray[np.generic]) -> int:
    """How many shades there are, or in a part of the pixels, where that is enough."""
    in_part = len(np.unique(sample[::16]))
    return in_part if in_part >= FEWEST_GREY_LEVELS else len(np.unique(sample))


def _cautions(facts: StudyFacts, population: Population) -> tuple[Caution, ...]:
    cautions = []
    ages = f"{population.youngest_years:g} to {population.oldest_years:g} years"
    age = facts.patient_age_years
    if age is None:
        cautions.append(
            Caution(
                CautionCode.AGE_UNKNOWN,
                f"The patient's age is not known; the model was trained on children of {ages} only.",
            )
        )
    elif age >= ADULT_YEARS:
        cautions.append(
            Caution(
                CautionCode.ADULT,
                f"The patient is an adult; the model was trained on children of {ages} only and "
                "has not been validated for adults.",
            )
        )
    elif not population.youngest_years <= age < population.oldest_years + 1:
        cautions.append(
            Caution(
                CautionCode.AGE,
                f"The patient's age is outside the model's training ages ({ages}).",
            )
        )
    if not facts.view_position.strip():
        cautions.append(
            Caution(
                CautionCode.VIEW_UNKNOWN,
                "The view is not recorded; the model is made for frontal views (PA, AP).",
            )
        )
    return tuple(cautions)
