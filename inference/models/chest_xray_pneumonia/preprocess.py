"""From a radiograph as displayed (bigger = whiter) to the network's input.

The same code runs in training, validation and serving, so a PNG, a JPEG and a DICOM of one
picture reach the network alike. Three steps, each there to remove a cue that belongs to the
acquisition and not to the patient:

1. trim the uniform margins (collimation, film border, black background beside the body);
2. resize with antialiasing to a square, as the training images were;
3. equalise by the grey values' ranks in the central part, which makes any monotone change of
   exposure, gamma, window or bit depth vanish.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.generic]
Floats = NDArray[np.float32]

THUMBNAIL_PX = 64
# An equalised image is uniform on [0, 1]: this is its standard deviation.
UNIFORM_STD = float(1 / np.sqrt(12))


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Parameters of `standardise`; stored with the weights, because they belong to them."""

    input_px: int = 192
    central_fraction: float = 0.8
    quantile_knots: int = 65
    margin_contrast: float = 0.04
    margin_limit: float = 0.2


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixel edges of the original image: columns left..right, rows top..bottom."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Standardised:
    """The network's input and where on the original image it was taken from."""

    pixels: Floats
    """(input_px, input_px), zero mean and unit variance over a uniform histogram."""
    box: Box
    shape: tuple[int, int]
    """(rows, columns) of the original image."""


def standardise(image: Pixels, parameters: Preprocessing) -> Standardised:
    """Trim, resize and equalise one radiograph.

    `image` is (rows, columns) of any real dtype, displayed as MONOCHROME2: bigger is whiter.
    """
    plane = shrink(np.asarray(image, dtype=np.float32), 2 * parameters.input_px)
    rows, columns = plane.shape
    box = content_box(resize(plane, THUMBNAIL_PX), parameters)
    scaled = Box(box.left * columns, box.top * rows, box.right * columns, box.bottom * rows)
    square = resize(plane, parameters.input_px, scaled)
    height, width = image.shape
    return Standardised(
        pixels=equalise(square, parameters),
        box=Box(box.left * width, box.top * height, box.right * width, box.bottom * height),
        shape=(height, width),
    )


def shrink(plane: Floats, at_least_px: int) -> Floats:
    """Average whole blocks while both sides stay at least `at_least_px`: the cheap part of resizing."""
    factor = min(plane.shape) // at_least_px
    if factor < 2:
        return plane
    rows, columns = (side - side % factor for side in plane.shape)
    whole = plane[:rows, :columns]
    # A sum of whole lines is fast; within a line, adding strided slices is fifteen times faster than a mean.
    lines = whole.reshape(-1, factor, columns).sum(axis=1)
    blocks = sum((lines[:, start::factor] for start in range(1, factor)), start=lines[:, ::factor])
    averaged: Floats = blocks / np.float32(factor * factor)
    return averaged


def resize(plane: Floats, side_px: int, box: Box | None = None) -> Floats:
    """Resize (a box of) a float plane to a square with an antialiasing triangle filter."""
    source = Image.fromarray(plane)
    corners = None if box is None else (box.left, box.top, box.right, box.bottom)
    resized = source.resize((side_px, side_px), Image.Resampling.BILINEAR, box=corners)
    return np.asarray(resized, dtype=np.float32)


def content_box(thumbnail: Floats, parameters: Preprocessing) -> Box:
    """Find what is inside the uniform margins, in fractions of the image's sides."""
    low, high = np.quantile(thumbnail, (0.02, 0.98))
    flat = parameters.margin_contrast * max(float(high - low), 1e-6)
    rows = _uniform_lines(thumbnail, flat)
    columns = _uniform_lines(thumbnail.T, flat)
    limit = int(parameters.margin_limit * THUMBNAIL_PX)
    top, bottom = _leading(rows, limit), _leading(rows[::-1], limit)
    left, right = _leading(columns, limit), _leading(columns[::-1], limit)
    side = float(THUMBNAIL_PX)
    return Box(left / side, top / side, 1 - right / side, 1 - bottom / side)


def _uniform_lines(plane: Floats, flat: float) -> NDArray[np.bool_]:
    low, high = np.quantile(plane, (0.1, 0.9), axis=1)
    uniform: NDArray[np.bool_] = (high - low) < flat
    return uniform


def _leading(uniform: NDArray[np.bool_], limit: int) -> int:
    varied = np.flatnonzero(~uniform[:limit])
    return int(varied[0]) if varied.size else limit


def equalise(square: Floats, parameters: Preprocessing) -> Floats:
    """Map grey values to their rank among the central part's, centred and scaled to unit variance."""
    side = square.shape[0]
    margin = round(side * (1 - parameters.central_fraction) / 2)
    central = square[margin : side - margin, margin : side - margin]
    levels = np.linspace(0.0, 1.0, parameters.quantile_knots)
    knots = np.quantile(central, levels).astype(np.float64)
    # Equal knots (a saturated or empty area) would leave the rank undefined: spread them minimally.
    span = max(float(knots[-1] - knots[0]), 1e-6)
    knots = knots + levels * span * 1e-4
    ranks = np.interp(square, knots, levels)
    return ((ranks - 0.5) / UNIFORM_STD).astype(np.float32)
