"""The PNG writer: any picture comes back as it was."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.models.png import png


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    colour=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_another_reader_sees_the_same_pixels(
    rows: int, columns: int, colour: bool, seed: int
) -> None:
    shape = (rows, columns, 3) if colour else (rows, columns)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as image:
        image.load()
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_its_text_is_read_too() -> None:
    with Image.open(io.BytesIO(png(np.zeros((2, 2), np.uint8), {"scale": "6"}))) as image:
        assert image.text == {"scale": "6"}


@pytest.mark.parametrize("shape", [(4, 4, 2), (4, 4, 4)])
def test_what_is_neither_grey_nor_rgb_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(KeyError):
        png(np.zeros(shape, np.uint8))
