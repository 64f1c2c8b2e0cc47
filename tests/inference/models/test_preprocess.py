"""Preparation: one picture is one picture, however it arrives."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference.models.chest_xray_pneumonia.preprocess import (
    Preprocessing,
    equalise,
    resize,
    standardise,
)
from tests.inference.models.radiographs import drawn_chest

PARAMETERS = Preprocessing()
CHEST = drawn_chest()


def standard(image: np.ndarray) -> np.ndarray:
    return standardise(image, PARAMETERS).pixels


def test_the_input_is_a_float32_square_of_about_unit_variance() -> None:
    pixels = standard(CHEST)
    assert pixels.dtype == np.float32
    assert pixels.shape == (PARAMETERS.input_px, PARAMETERS.input_px)
    assert abs(pixels.mean()) < 0.5
    assert 0.7 < pixels.std() < 1.3


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_bit_depth_makes_no_difference(bits: int) -> None:
    deep = (CHEST.astype(np.float64) / 255 * (2**bits - 1)).astype(np.uint16)
    assert np.abs(standard(deep) - standard(CHEST)).mean() < 0.02


@given(
    gamma=st.floats(0.6, 1.6),
    brightness=st.floats(-500, 500),
    contrast=st.floats(0.1, 10),
)
@settings(max_examples=25, deadline=None)
def test_exposure_gamma_and_window_make_next_to_no_difference(
    gamma: float, brightness: float, contrast: float
) -> None:
    changed = (CHEST / 255.0) ** gamma * 255 * contrast + brightness
    assert np.abs(standard(changed) - standard(CHEST)).mean() < 0.12


def test_png_and_jpeg_of_one_picture_agree() -> None:
    def encoded(kind: str, **options: int) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(CHEST).save(buffer, kind, **options)
        return np.asarray(Image.open(buffer))

    np.testing.assert_array_equal(standard(encoded("PNG")), standard(CHEST))
    assert np.abs(standard(encoded("JPEG", quality=90)) - standard(CHEST)).mean() < 0.05


def test_the_same_picture_at_another_resolution_agrees() -> None:
    large = np.asarray(Image.fromarray(CHEST).resize((1440, 1536), Image.Resampling.BICUBIC))
    assert np.abs(standard(large) - standard(CHEST)).mean() < 0.08


def test_uniform_margins_are_trimmed_and_the_box_says_where() -> None:
    rows, columns = CHEST.shape
    for level in (0, 128, 255):
        framed = np.full((rows + 120, columns + 100), level, dtype=np.uint8)
        framed[80 : 80 + rows, 40 : 40 + columns] = CHEST
        box = standardise(framed, PARAMETERS).box
        assert box.top == pytest.approx(80, abs=25)
        assert box.bottom == pytest.approx(80 + rows, abs=25)
        assert box.left <= 40 + 0.1 * columns
        assert box.right >= 40 + 0.9 * columns


def test_no_more_than_the_limit_is_ever_trimmed() -> None:
    image = np.zeros((300, 300), dtype=np.float32)
    image[140:160, 140:160] = drawn_chest(20, 20)
    box = standardise(image, PARAMETERS).box
    least = (1 - 2 * PARAMETERS.margin_limit) * 300 - 1
    assert box.right - box.left >= least
    assert box.bottom - box.top >= least


@given(
    shape=st.tuples(st.integers(2, 400), st.integers(2, 400)),
    level=st.floats(-1e4, 1e4),
    spread=st.sampled_from([0.0, 1e-6, 1.0, 1e4]),
)
@settings(max_examples=40, deadline=None)
def test_any_finite_picture_gives_finite_input(
    shape: tuple[int, int], level: float, spread: float
) -> None:
    image = level + spread * np.random.default_rng(0).normal(size=shape)
    assert np.isfinite(standard(image)).all()


def test_equalising_twice_changes_little() -> None:
    once = equalise(resize(CHEST.astype(np.float32), 192), PARAMETERS)
    assert np.abs(equalise(once, PARAMETERS) - once).mean() < 0.03
