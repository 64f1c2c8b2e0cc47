"""A drawn chest: enough of one to exercise the code, and nobody's."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def drawn_chest(rows: int = 512, columns: int = 480) -> np.ndarray:
    """(rows, columns) uint8 as displayed: dark lungs, white spine, heart, diaphragm and ribs."""
    picture = Image.new("L", (columns, rows), 20)
    draw = ImageDraw.Draw(picture)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        return left * columns, top * rows, right * columns, bottom * rows

    draw.rounded_rectangle(box(0.08, 0.02, 0.92, 0.99), radius=0.2 * columns, fill=150)
    draw.ellipse(box(0.16, 0.14, 0.46, 0.78), fill=60)
    draw.ellipse(box(0.54, 0.14, 0.84, 0.78), fill=60)
    for rib in range(7):
        draw.arc(box(0.14, 0.1 + rib * 0.09, 0.86, 0.4 + rib * 0.09), 200, 340, 120, width=4)
    draw.rectangle(box(0.47, 0.0, 0.53, 1.0), fill=215)
    draw.ellipse(box(0.42, 0.45, 0.7, 0.8), fill=190)
    draw.rectangle(box(0.1, 0.78, 0.9, 0.99), fill=200)
    soft = picture.filter(ImageFilter.GaussianBlur(columns / 120))
    grain = np.random.default_rng(4).normal(0, 2, (rows, columns))
    return np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)
