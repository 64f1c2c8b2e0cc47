"""The two images of a report as JPEG: a quarter of the bytes of PNG, for reading only."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.results.case import Explanation

_QUALITY = 88


def radiograph_jpeg(explanation: Explanation) -> bytes:
    return _jpeg(explanation.radiograph)


def overlay_jpeg(explanation: Explanation) -> bytes:
    return _jpeg(explanation.overlay)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
