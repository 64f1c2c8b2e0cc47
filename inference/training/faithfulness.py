"""Whether the explanation shows what the model uses: deletion and insertion curves.

The image's cells are removed (blurred) or brought back in the order of a map, and the probability
is followed. A faithful map makes it fall fast and rise fast. Petsiuk et al., "RISE", BMVC 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.float32]
CELLS = 24
STEPS = 13
BLUR = 0.06
"""Standard deviation of the blur that stands for 'removed', as a share of the side."""

Probabilities = Callable[[Floats], Floats]
"""(n, side, side) standardised images → (n,) probabilities."""


@dataclass(frozen=True, slots=True)
class Curves:
    """One map's probabilities over the share of cells removed or shown, from none to all."""

    deletion: Floats
    insertion: Floats

    @property
    def deletion_area(self) -> float:
        return float(np.trapezoid(self.deletion, dx=1 / (STEPS - 1)))

    @property
    def insertion_area(self) -> float:
        return float(np.trapezoid(self.insertion, dx=1 / (STEPS - 1)))


def curves(image: Floats, importance: Floats, probabilities: Probabilities) -> Curves:
    """Follow both curves of one standardised image (side, side) for one (CELLS, CELLS) map."""
    side = image.shape[0]
    order = np.argsort(-importance.ravel(), kind="stable")
    rank = np.empty(CELLS * CELLS)
    rank[order] = np.arange(CELLS * CELLS) / (CELLS * CELLS)
    ranks = np.kron(rank.reshape(CELLS, CELLS), np.ones((side // CELLS, side // CELLS)))
    blurred = _blurred(image)
    shares = np.linspace(0, 1, STEPS)[:, np.newaxis, np.newaxis]
    first = ranks[np.newaxis] < shares
    removed = np.where(first, blurred, image).astype(np.float32)
    shown = np.where(first, image, blurred).astype(np.float32)
    followed = probabilities(np.concatenate([removed, shown]))
    return Curves(followed[:STEPS], followed[STEPS:])


def cam_importance(cam: Floats) -> Floats:
    """Class activation map on the grid of cells."""
    return np.asarray(Image.fromarray(cam).resize((CELLS, CELLS), Image.Resampling.BILINEAR))


def centre_importance() -> Floats:
    """A blob at the image's centre, which for a chest is a strong guess."""
    y, x = np.mgrid[0:CELLS, 0:CELLS]
    middle = (CELLS - 1) / 2
    return np.asarray(-np.hypot(y - middle, x - middle), dtype=np.float32)


def random_importance(rng: np.random.Generator) -> Floats:
    """A map as coarse as the CAM, of random values."""
    coarse = rng.normal(size=(CELLS // 4, CELLS // 4)).astype(np.float32)
    return cam_importance(coarse)


def _blurred(image: Floats) -> Floats:
    """Blur in 8 bit over the range that equalised images have, which is wide enough to lose nothing."""
    low, high = float(image.min()), float(image.max())
    levels = ((image - low) / max(high - low, 1e-6) * 255).astype(np.uint8)
    soft = Image.fromarray(levels).filter(ImageFilter.GaussianBlur(BLUR * image.shape[0]))
    return np.asarray(np.asarray(soft) / 255 * (high - low) + low, dtype=np.float32)
