"""The explanation as pictures: where the evidence lies, on the radiograph's own pixel grid.

The class activation map is exact for this network: the calibrated log-odds are the mean of
`Prediction.evidence` (Zhou et al., CVPR 2016). Only evidence for the finding is drawn, on one
scale for all images, so a picture without evidence stays grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inference.models.chest_xray_pneumonia.predict import Prediction
from inference.models.chest_xray_pneumonia.preprocess import Pixels, shrink
from inference.models.png import png

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LONGEST_PX = 512
"""The longer side of the pictures; the map has 6 x 6 cells, so that more would show no more."""
STRONGEST_TINT = 0.7
GAP_PX = 6
LEGEND_PX = 72

# 'inferno' by S. van der Walt and N. Smith (CC0), perceptually uniform: every 16th of its colours.
INFERNO = np.array(
    [
        (0, 0, 4),
        (11, 7, 36),
        (33, 12, 74),
        (61, 9, 101),
        (87, 16, 110),
        (113, 25, 110),
        (138, 34, 106),
        (163, 44, 97),
        (188, 55, 84),
        (210, 70, 68),
        (228, 90, 49),
        (241, 115, 29),
        (249, 142, 9),
        (252, 172, 17),
        (249, 203, 53),
        (242, 234, 105),
        (252, 255, 164),
    ],
    dtype=np.float32,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG and its size in pixels."""

    png: bytes
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """The radiograph in grey, the same with the evidence in colour, and the evidence alone; of one size."""

    plain: Image.Image
    coloured: Image.Image
    evidence: Image.Image
    """8 bit: 0 is none, 255 the full scale or more."""


def evidence_in_image(prediction: Prediction, shape: tuple[int, int] | None = None) -> Floats:
    """Return the evidence (calibrated log-odds) on the original grid, or on a grid of `shape`.

    Outside the part of the image that the model saw (trimmed margins) it is 0.
    """
    original = prediction.standardised.shape
    rows, columns = shape or original
    box = prediction.standardised.box
    down, across = rows / original[0], columns / original[1]
    top, bottom = round(box.top * down), round(box.bottom * down)
    left, right = round(box.left * across), round(box.right * across)
    cells = Image.fromarray(prediction.evidence)
    seen = cells.resize((right - left, bottom - top), Image.Resampling.BILINEAR)
    whole = np.zeros((rows, columns), dtype=np.float32)
    whole[top:bottom, left:right] = np.asarray(seen)
    return whole


def map_picture(drawn: Layers, original: tuple[int, int], full_scale_logit: float) -> Picture:
    """The raw map of the whole image, in 8 bit and at most 512 pixels a side.

    0 = none, 255 = `full_scale_logit` or more; the scale and the size of the original, (rows, columns), also
    stand in the PNG's text.
    """
    rows, columns = original
    text = {
        "full_scale_logit": f"{full_scale_logit:g}",
        "original_rows": str(rows),
        "original_columns": str(columns),
    }
    return _picture(drawn.evidence, text)


def displayed(image: Pixels) -> Bytes:
    """Scale a radiograph, displayed as MONOCHROME2, to at most 512 pixels a side.

    8 bit, 0 and 255 being the 0.5 % darkest and brightest.
    """
    rows, columns = _reduced(*image.shape)
    plane = shrink(np.asarray(image, dtype=np.float32), max(rows, columns))
    small = Image.fromarray(plane).resize((columns, rows), Image.Resampling.BILINEAR)
    values = np.asarray(small)
    low, high = map(float, np.quantile(values[::4, ::4], (0.005, 0.995)))
    levels = np.clip((values - low) * (255 / max(high - low, 1e-6)), 0, 255)
    picture: Bytes = (levels + np.float32(0.5)).astype(np.uint8)
    return picture


def layers(plain: Bytes, prediction: Prediction, full_scale_logit: float) -> Layers:
    """Draw the radiograph and the same with the evidence in colour, as two images of one size.

    `plain` is what `displayed` made of the image that was predicted.
    """
    rows, columns = plain.shape
    grey = Image.fromarray(plain)
    shares = _shares(prediction, (rows, columns), full_scale_logit)
    tint = shares.point([round(STRONGEST_TINT * level) for level in range(256)])
    coloured = Image.composite(_coloured(shares), grey.convert("RGB"), tint)
    return Layers(grey, coloured, shares)


def beside_scale(pictures: Sequence[Image.Image], full_scale_logit: float) -> Picture:
    """Put pictures of one height beside each other, and the scale of the colours at the end."""
    legend = _legend(pictures[0].height, full_scale_logit)
    row = (*pictures, legend)
    width = sum(picture.width + GAP_PX for picture in row) - GAP_PX
    whole = Image.new("RGB", (width, legend.height))
    left = 0
    for picture in row:
        whole.paste(picture, (left, 0))
        left += picture.width + GAP_PX
    return _picture(whole)


def _reduced(rows: int, columns: int) -> tuple[int, int]:
    factor = min(1.0, LONGEST_PX / max(rows, columns))
    return max(1, round(rows * factor)), max(1, round(columns * factor))


def _shares(prediction: Prediction, shape: tuple[int, int], full_scale_logit: float) -> Image.Image:
    """Evidence as 8 bit shares of the full scale."""
    levels = evidence_in_image(prediction, shape) * (255 / full_scale_logit)
    return Image.fromarray((np.clip(levels, 0, 255) + 0.5).astype(np.uint8))


def _coloured(shares: Image.Image) -> Image.Image:
    """Paint 8 bit shares; the dark third of the colours is left out, being invisible on lung."""
    painted = shares.copy()
    painted.putpalette(_palette())
    return painted.convert("RGB")


@cache
def _palette() -> bytes:
    at = np.linspace(0.35, 1, 256) * (len(INFERNO) - 1)
    anchors = np.arange(len(INFERNO))
    colours = np.stack([np.interp(at, anchors, channel) for channel in INFERNO.T], axis=1)
    return (colours + 0.5).astype(np.uint8).tobytes()


@lru_cache(maxsize=64)
def _legend(rows: int, full_scale_logit: float) -> Image.Image:
    """Draw the scale: a bar from no evidence (below) to full scale (above), with its numbers."""
    picture = Image.new("RGB", (LEGEND_PX, rows))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(11)
    height = max(1, rows - 52)
    levels = np.linspace(255, 0, height)[:, np.newaxis].repeat(14, axis=1)
    picture.paste(_coloured(Image.fromarray(levels.astype(np.uint8))), (6, 34))
    draw.text((4, 2), "log-odds\nadded", fill="white", font=font, spacing=1)
    for share in (1.0, 0.5, 0.0):
        label = f"+{share * full_scale_logit:.1f}" if share else "0"
        draw.text((24, 28 + (1 - share) * (height - 2)), label, fill="white", font=font)
    return picture


def _picture(drawn: Image.Image, text: Mapping[str, str] | None = None) -> Picture:
    return Picture(png(np.asarray(drawn), text), drawn.height, drawn.width)
