"""What is answered, what is refused with which code, and what a reader is warned of."""

from __future__ import annotations

import numpy as np
import pytest

from inference.models.chest_xray_pneumonia import (
    CautionCode,
    Reason,
    Screening,
    StudyFacts,
    screen,
    unfit,
)
from inference.models.manifest import Manifest
from terminology.task_reasons import TASK_REASONS
from tests.inference.models.manifests import manifest
from tests.inference.models.radiographs import drawn_chest

MANIFEST: Manifest = manifest()
CHILD = StudyFacts(modality="CR", body_part="CHEST", view_position="PA", patient_age_years=3.0)


def screened(image: np.ndarray | None = None, **facts: object) -> Screening:
    known = {name: getattr(CHILD, name) for name in CHILD.__slots__} | facts
    return screen(StudyFacts(**known), MANIFEST, None if image is None else unfit(image))


def reason(screening: Screening) -> Reason | None:
    return screening.rejection.reason if screening.rejection else None


def caution_codes(screening: Screening) -> list[CautionCode]:
    return [caution.code for caution in screening.cautions]


def test_a_childs_frontal_chest_radiograph_is_answered_without_caution() -> None:
    assert screened() == Screening(None, ())


def test_a_picture_file_of_which_nothing_is_known_is_answered_with_cautions() -> None:
    screening = screen(StudyFacts(), MANIFEST, unfit(drawn_chest()))
    assert screening.rejection is None
    assert caution_codes(screening) == [CautionCode.AGE_UNKNOWN, CautionCode.VIEW_UNKNOWN]


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "MG", "cT", "XC", "OT"])
def test_other_modalities_are_refused(modality: str) -> None:
    assert reason(screened(modality=modality)) is Reason.MODALITY


@pytest.mark.parametrize("modality", ["CR", "DX", "dx ", ""])
def test_radiographs_are_not(modality: str) -> None:
    assert reason(screened(modality=modality)) is None


@pytest.mark.parametrize("part", ["KNEE", "HAND", "Skull", "EXTREMITY", "ABDOMEN"])
def test_other_body_parts_are_refused(part: str) -> None:
    assert reason(screened(body_part=part)) is Reason.BODY_PART


@pytest.mark.parametrize("part", ["CHEST", "Thorax", "CHEST^PA", "chest, frontal", "", "  "])
def test_the_chest_by_any_of_its_words_is_not(part: str) -> None:
    assert reason(screened(body_part=part)) is None


@pytest.mark.parametrize("view", ["LL", "RL", "LATERAL", "LLO"])
def test_views_that_are_not_frontal_are_refused(view: str) -> None:
    assert reason(screened(view_position=view)) is Reason.VIEW


def test_colour_and_sequences_are_refused() -> None:
    assert reason(screened(colour=True)) is Reason.PICTURE
    assert reason(screened(frames=30)) is Reason.PIXELS


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((300, 300), dtype=np.uint8),
        np.full((300, 300), np.nan, dtype=np.float32),
        np.eye(300, dtype=np.uint8) * 255,
        np.arange(64 * 64, dtype=np.float32).reshape(64, 64),
        np.arange(1000 * 100, dtype=np.float32).reshape(1000, 100),
        np.zeros((300, 300, 3), dtype=np.uint8),
        np.zeros((0, 0), dtype=np.uint8),
    ],
    ids=["blank", "not numbers", "one line", "tiny", "strip", "three planes", "empty"],
)
def test_pixels_that_hold_no_radiograph_are_refused(image: np.ndarray) -> None:
    assert reason(screened(image)) is Reason.PIXELS


@pytest.mark.parametrize(
    ("age", "codes"),
    [
        (0.5, [CautionCode.AGE]),
        (1.0, []),
        (5.9, []),
        (6.0, [CautionCode.AGE]),
        (17.9, [CautionCode.AGE]),
        (18.0, [CautionCode.ADULT]),
        (90.0, [CautionCode.ADULT]),
        (None, [CautionCode.AGE_UNKNOWN]),
    ],
)
def test_ages_outside_the_training_are_cautioned(
    age: float | None, codes: list[CautionCode]
) -> None:
    assert caution_codes(screened(patient_age_years=age)) == codes


def test_known_ages_outside_are_out_of_scope_and_unknown_ones_are_not() -> None:
    assert screened(patient_age_years=40.0).cautions[0].out_of_scope
    assert not screened(patient_age_years=None).cautions[0].out_of_scope


def test_a_refusal_repeats_nothing_that_a_header_could_smuggle_in() -> None:
    rejection = screened(modality="<b>Jane Roe</b>\n" * 5).rejection
    assert rejection is not None
    assert "<" not in rejection.text
    assert len(rejection.text) < 80


def test_every_reason_is_a_task_reason() -> None:
    assert set(Reason) <= set(TASK_REASONS)
