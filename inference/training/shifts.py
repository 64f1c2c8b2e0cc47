"""Validation under shift: the same radiographs as another hospital might have sent them.

Each shift takes and gives images as they would arrive (uint8, displayed), so the model's whole
preprocessing is under test. Deterministic in the seed.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from inference.training.radiographs import Radiographs

Plane = NDArray[np.uint8]


def _levels(unit: NDArray[np.floating]) -> Plane:
    return np.asarray(np.clip(unit, 0, 1) * 255 + 0.5, dtype=np.uint8)


def over_exposed(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    return _levels(np.clip(image / 255.0 * rng.uniform(1.3, 1.7) - 0.1, 0, 1) ** 0.7)


def under_exposed(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    dark = np.clip(image / 255.0 - rng.uniform(0.05, 0.2), 0, 1) ** rng.uniform(1.4, 2.2)
    return np.asarray(np.round(dark * 64) * 2, dtype=np.uint8)


def uneven(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    rows, columns = image.shape
    coarse = Image.fromarray(rng.normal(0, 1, (3, 3)).astype(np.float32))
    field = np.asarray(coarse.resize((columns, rows), Image.Resampling.BICUBIC))
    return _levels(image / 255.0 * np.exp(0.25 * field))


def locally_equalised(image: Plane, _rng: np.random.Generator, _other: Plane) -> Plane:
    """CLAHE-like: contrast limited, tile by tile, interpolated between tile centres."""
    tiles = 4
    rows, columns = image.shape
    maps = np.empty((tiles, tiles, 256), dtype=np.float32)
    for i in range(tiles):
        for j in range(tiles):
            tile = image[
                i * rows // tiles : (i + 1) * rows // tiles,
                j * columns // tiles : (j + 1) * columns // tiles,
            ]
            counts = np.bincount(tile.ravel(), minlength=256).astype(np.float64)
            limit = 3.0 * counts.sum() / 256
            counts = np.minimum(counts, limit) + np.maximum(counts - limit, 0).sum() / 256
            maps[i, j] = np.cumsum(counts) / counts.sum()
    fy = np.clip((np.arange(rows) + 0.5) / rows * tiles - 0.5, 0, tiles - 1)
    fx = np.clip((np.arange(columns) + 0.5) / columns * tiles - 0.5, 0, tiles - 1)
    y0, x0 = np.minimum(fy.astype(int), tiles - 2), np.minimum(fx.astype(int), tiles - 2)
    wy, wx = (fy - y0)[:, None], (fx - x0)[None, :]
    y, x = y0[:, None], x0[None, :]
    top = maps[y, x, image] * (1 - wx) + maps[y, x + 1, image] * wx
    bottom = maps[y + 1, x, image] * (1 - wx) + maps[y + 1, x + 1, image] * wx
    return _levels(top * (1 - wy) + bottom * wy)


def close_up(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    rows, columns = image.shape
    top, left = (rng.uniform(0.05, 0.15, 2) * (rows, columns)).astype(int)
    bottom, right = (rng.uniform(0.85, 0.95, 2) * (rows, columns)).astype(int)
    return image[top:bottom, left:right]


def wide_and_turned(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    rows, columns = image.shape
    level = int(rng.choice([0, 0, 40, 90, 255]))
    pad = Image.new(
        "L", (int(columns * rng.uniform(1.1, 1.3)), int(rows * rng.uniform(1.05, 1.2))), level
    )
    turned = Image.fromarray(image).rotate(
        rng.uniform(-10, 10), Image.Resampling.BILINEAR, fillcolor=level
    )
    pad.paste(turned, ((pad.width - columns) // 2, (pad.height - rows) // 2))
    return np.asarray(pad)


def coarse(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    side = int(rng.integers(72, 112))
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def blurred_or_sharpened(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    source = Image.fromarray(image)
    if rng.random() < 0.5:
        return np.asarray(source.filter(ImageFilter.GaussianBlur(rng.uniform(1.2, 2.0))))
    return np.asarray(source.filter(ImageFilter.UnsharpMask(2, int(rng.uniform(150, 300)), 0)))


def noisy_jpeg(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    noisy = _levels(image / 255.0 + rng.normal(0, 0.03, image.shape))
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=30)
    return np.asarray(Image.open(buffer))


def _thorax(shape: tuple[int, int], extent: float) -> NDArray[np.floating]:
    rows, columns = shape
    y = np.linspace(-1, 1, rows)[:, None]
    x = np.linspace(-1, 1, columns)[None, :]
    radius = (np.abs(x / extent) ** 4 + np.abs(y / extent) ** 4) ** 0.25
    return np.asarray(1 / (1 + np.exp(-(1 - radius) * 40)))


def borders_masked(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    inside = _thorax(image.shape, 0.88)
    return _levels((inside * image + (1 - inside) * rng.choice([0.0, image.mean(), 200.0])) / 255)


def frame_of_other_class(image: Plane, _rng: np.random.Generator, other: Plane) -> Plane:
    inside = _thorax(image.shape, 0.88)
    return _levels((inside * image + (1 - inside) * other) / 255)


def marked(image: Plane, rng: np.random.Generator, _other: Plane) -> Plane:
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for text in rng.choice(["R", "L", "A-P", "PORTABLE 12:40", "SEMI ERECT"], 3, replace=False):
        where = (
            float(rng.choice([2, picture.width * 0.75])),
            float(rng.uniform(0, picture.height - 30)),
        )
        draw.text(
            where, str(text), fill=255, font=ImageFont.load_default(int(rng.integers(10, 26)))
        )
    return np.asarray(picture)


def combined(image: Plane, rng: np.random.Generator, other: Plane) -> Plane:
    for shift in rng.choice(len(_SINGLE), 3, replace=False):
        image = _SINGLE[shift](
            image, rng, np.asarray(Image.fromarray(other).resize(image.shape[::-1]))
        )
    return image


Shift = Callable[[Plane, np.random.Generator, Plane], Plane]
_SINGLE: tuple[Shift, ...] = (
    over_exposed,
    under_exposed,
    uneven,
    locally_equalised,
    close_up,
    wide_and_turned,
    coarse,
    blurred_or_sharpened,
    noisy_jpeg,
    borders_masked,
    frame_of_other_class,
    marked,
)
SHIFTS: tuple[Shift, ...] = (*_SINGLE, combined)


def shifted(radiographs: Radiographs, shift: Shift, seed: int) -> list[Plane]:
    """Apply a shift to every image; `other` is a random image of the opposite class."""
    rng = np.random.default_rng(seed)
    pools = [np.flatnonzero(radiographs.pneumonia != label) for label in (False, True)]
    return [
        shift(image, rng, radiographs.images[rng.choice(pools[int(label)])])
        for image, label in zip(radiographs.images, radiographs.pneumonia, strict=True)
    ]
