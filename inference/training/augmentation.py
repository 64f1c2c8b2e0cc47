"""Augmentation of a batch on tensors: what may differ between hospitals, and never the finding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from inference.models.chest_xray_pneumonia.preprocess import UNIFORM_STD, Preprocessing

MARKERS = ("R", "L", "A-P", "P-A", "AP", "PORTABLE", "SUPINE", "R.", "L ERECT", "12:45")


@dataclass(frozen=True, slots=True)
class Augmented:
    """A batch for the network; mixing makes targets fractions."""

    inputs: Tensor
    targets: Tensor


def chance(n: int, p: float, g: torch.Generator) -> Tensor:
    """(n, 1, 1, 1), each true with probability `p`."""
    return torch.rand(n, 1, 1, 1, generator=g) < p


def uniform(n: int, low: float, high: float, g: torch.Generator) -> Tensor:
    """(n, 1, 1, 1), each between `low` and `high`."""
    return torch.rand(n, 1, 1, 1, generator=g) * (high - low) + low


def augment(
    images: Tensor,
    targets: Tensor,
    parameters: Preprocessing,
    side_px: int,
    g: torch.Generator,
) -> Augmented:
    """Images (n, 1, rows, columns) in [0, 1]; targets (n,) in [0, 1]."""
    x = images
    x = transplant_frame(x, g)
    x = burn_in_markers(x, g)
    x = reframe(x, side_px, g)
    x = uneven_exposure(x, g)
    x = local_equalise(x, g)
    x = clip_exposure(x, g)
    x = degrade(x, g)
    x = margins(x, g)
    x = equalise_batch(x, parameters, g)
    x = tone(x, g)
    x = erase(x, g)
    return mixup(x, targets, g)


def transplant_frame(x: Tensor, g: torch.Generator, p: float = 0.35) -> Tensor:
    """Keep the thorax, take everything around it from another image: the frame says nothing then."""
    n, _, h, w = x.shape
    ys = torch.linspace(-1, 1, h).view(1, 1, h, 1)
    xs = torch.linspace(-1, 1, w).view(1, 1, 1, w)
    a, b = uniform(n, 0.82, 1.05, g), uniform(n, 0.82, 1.05, g)
    cx, cy = uniform(n, -0.06, 0.06, g), uniform(n, -0.06, 0.06, g)
    r = (((xs - cx).abs() / a) ** 4 + ((ys - cy).abs() / b) ** 4) ** 0.25
    mask = torch.sigmoid((1 - r) * uniform(n, 15, 60, g))
    donor = x[torch.randperm(n, generator=g)].flip(3)
    moved = mask * x + (1 - mask) * donor
    return torch.where(chance(n, p, g), moved, x)


def burn_in_markers(x: Tensor, g: torch.Generator, p: float = 0.4) -> Tensor:
    """Write side markers and words beside the lungs, white or (seldom) black."""
    n, _, h, w = x.shape
    out = x.clone()
    for i in range(n):
        if torch.rand((), generator=g) > p:
            continue
        for _ in range(int(torch.randint(1, 4, (), generator=g))):
            text = MARKERS[int(torch.randint(len(MARKERS), (), generator=g))]
            size = int(torch.randint(9, 30, (), generator=g))
            stamp = _stamp(text, size)
            sh, sw = min(stamp.shape[0], h), min(stamp.shape[1], w)
            # Beside the lungs: left or right fifth, or the top or bottom tenth.
            side = int(torch.randint(4, (), generator=g))
            u = float(torch.rand((), generator=g))
            v = float(torch.rand((), generator=g))
            cx, cy = [(0.2 * u, v), (1 - 0.2 * u, v), (v, 0.12 * u), (v, 1 - 0.12 * u)][side]
            top = int(max(0, min(h - sh, cy * h - sh / 2)))
            left = int(max(0, min(w - sw, cx * w - sw / 2)))
            level = (
                0.0
                if torch.rand((), generator=g) < 0.15
                else 0.7 + 0.3 * float(torch.rand((), generator=g))
            )
            alpha = stamp[:sh, :sw]
            area = out[i, 0, top : top + sh, left : left + sw]
            out[i, 0, top : top + sh, left : left + sw] = area * (1 - alpha) + level * alpha
    return out


_STAMPS: dict[tuple[str, int], Tensor] = {}


def _stamp(text: str, size: int) -> Tensor:
    if (text, size) not in _STAMPS:
        font = ImageFont.load_default(size)
        left, top, right, bottom = font.getbbox(text)
        picture = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
        ImageDraw.Draw(picture).text((1 - left, 1 - top), text, fill=255, font=font)
        _STAMPS[text, size] = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)
    return _STAMPS[text, size]


def reframe(x: Tensor, side: int, g: torch.Generator) -> Tensor:
    """Scale, aspect, rotation, shear, shift, mirror; onto a square of `side`."""
    n = len(x)

    def u(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=g) * (high - low) + low

    zoom = torch.exp(u(math.log(0.76), math.log(1.18)))
    aspect = torch.exp(u(-0.2, 0.2))
    angle = u(-12, 12) * math.pi / 180
    shear = u(-0.1, 0.1)
    mirror = torch.where(torch.rand(n, generator=g) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    sx, sy = zoom * aspect.sqrt(), zoom / aspect.sqrt()
    theta = torch.stack(
        [
            torch.stack([mirror * sx * cos, sx * (shear - sin), u(-0.12, 0.12)], 1),
            torch.stack([mirror * sy * sin, sy * cos, u(-0.12, 0.12)], 1),
        ],
        1,
    )
    grid = functional.affine_grid(theta, [n, 1, side, side], align_corners=False)
    # Outside the image: black, grey or the border repeated, all of which occur.
    if torch.rand((), generator=g) < 0.5:
        return functional.grid_sample(
            x, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
    level = float(torch.rand((), generator=g)) * 0.5 if torch.rand((), generator=g) < 0.5 else 0.0
    return functional.grid_sample(x - level, grid, mode="bilinear", align_corners=False) + level


def smooth_field(n: int, side: int, cells: int, g: torch.Generator) -> Tensor:
    coarse = torch.randn(n, 1, cells, cells, generator=g)
    return functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)


def uneven_exposure(x: Tensor, g: torch.Generator, p: float = 0.5) -> Tensor:
    """Multiply by a smooth field: heel effect, scatter, a turned patient."""
    n, side = len(x), x.shape[-1]
    field = smooth_field(n, side, 3, g) * uniform(n, 0.02, 0.2, g)
    return torch.where(chance(n, p, g), x * torch.exp(field), x)


def smoothed(x: Tensor, cells: int) -> Tensor:
    coarse = functional.interpolate(x, size=(cells, cells), mode="area")
    return functional.interpolate(coarse, size=x.shape[-2:], mode="bilinear", align_corners=False)


def local_equalise(x: Tensor, g: torch.Generator, p: float = 0.3) -> Tensor:
    """What a vendor's processing does to local contrast: divide by the local spread, in part."""
    n = len(x)
    cells = int(torch.randint(3, 9, (), generator=g))
    mean = smoothed(x, cells)
    spread = (smoothed((x - mean) ** 2, cells) + 1e-4).sqrt()
    local = 0.5 + 0.2 * (x - mean) / spread
    share = uniform(n, 0.2, 0.8, g)
    return torch.where(chance(n, p, g), (1 - share) * x + share * local, x)


def clip_exposure(x: Tensor, g: torch.Generator, p: float = 0.3) -> Tensor:
    """Saturate blacks or whites, as a narrow window does; equalisation cannot undo that."""
    n = len(x)
    flat = x.flatten(1)
    low = torch.stack(
        [flat[i, ::37].quantile(float(q)) for i, q in enumerate(torch.rand(n, generator=g) * 0.2)]
    )
    high = torch.stack(
        [
            flat[i, ::37].quantile(1 - float(q))
            for i, q in enumerate(torch.rand(n, generator=g) * 0.2)
        ]
    )
    clipped = torch.maximum(torch.minimum(x, high.view(n, 1, 1, 1)), low.view(n, 1, 1, 1))
    return torch.where(chance(n, p, g), clipped, x)


def degrade(x: Tensor, g: torch.Generator) -> Tensor:
    """Resolution, blur or sharpening, noise, few grey levels."""
    n, side = len(x), x.shape[-1]
    low = int(torch.randint(int(side * 0.4), side, (), generator=g))
    coarse = functional.interpolate(
        x, size=(low, low), mode="bilinear", antialias=True, align_corners=False
    )
    coarse = functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    x = torch.where(chance(n, 0.35, g), coarse, x)
    soft = x
    for _ in range(int(torch.randint(1, 4, (), generator=g))):
        soft = functional.avg_pool2d(soft, 3, 1, 1, count_include_pad=False)
    kind = torch.rand(n, 1, 1, 1, generator=g)
    x = torch.where(
        kind < 0.25, soft, torch.where(kind > 0.75, x + uniform(n, 0.3, 1.5, g) * (x - soft), x)
    )
    noise = (
        torch.randn(x.shape, generator=g) * uniform(n, 0.0, 0.12, g) * x.std((2, 3), keepdim=True)
    )
    x = torch.where(chance(n, 0.4, g), x + noise, x)
    levels = uniform(n, 24, 96, g).round()
    return torch.where(chance(n, 0.1, g), (x * levels).round() / levels, x)


def margins(x: Tensor, g: torch.Generator, p: float = 0.15) -> Tensor:
    """Collimate: cover a strip of each side with one grey value, half the time black."""
    n, side = len(x), x.shape[-1]
    at = torch.arange(side)
    edge = (torch.rand(n, 4, generator=g) * 0.09 * side).long()
    rows = (at[None] >= edge[:, :1]) & (at[None] < side - edge[:, 1:2])
    cols = (at[None] >= edge[:, 2:3]) & (at[None] < side - edge[:, 3:4])
    inside = (rows[:, :, None] & cols[:, None, :])[:, None]
    level = torch.rand(n, 1, 1, 1, generator=g)
    level = torch.where(level < 0.5, torch.zeros_like(level), level)
    return torch.where(chance(n, p, g) & ~inside, level, x)


def equalise_batch(x: Tensor, parameters: Preprocessing, g: torch.Generator) -> Tensor:
    """The serving equalisation, with the central part's size and place varied a little."""
    side = x.shape[-1]
    share = parameters.central_fraction + 0.24 * (float(torch.rand((), generator=g)) - 0.5)
    margin = round(side * (1 - share) / 2)
    central = x[:, 0, margin : side - margin, margin : side - margin].flatten(1)
    levels = torch.linspace(0, 1, parameters.quantile_knots)
    order = central.sort(dim=1).values
    knots = order[:, (levels * (order.shape[1] - 1)).round().long()]
    span = (knots[:, -1:] - knots[:, :1]).clamp_min(1e-6)
    knots = knots + levels * span * 1e-4
    flat = x.flatten(1).contiguous()
    upper = torch.searchsorted(knots.contiguous(), flat).clamp(1, len(levels) - 1)
    lo, hi = knots.gather(1, upper - 1), knots.gather(1, upper)
    part = ((flat - lo) / (hi - lo)).clamp(0, 1)
    ranks = levels[upper - 1] + part * (levels[upper] - levels[upper - 1])
    return ((ranks - 0.5) / UNIFORM_STD).view_as(x)


def tone(x: Tensor, g: torch.Generator, p: float = 0.5) -> Tensor:
    """Bend and shift the equalised grey values: what another central part would have made of them."""
    n = len(x)
    unit = (x * UNIFORM_STD + 0.5).clamp(0, 1)
    bent = unit ** torch.exp(uniform(n, -0.4, 0.4, g))
    bent = (bent - 0.5) * uniform(n, 0.7, 1.15, g) + 0.5 + uniform(n, -0.1, 0.1, g)
    return torch.where(chance(n, p, g), (bent - 0.5) / UNIFORM_STD, x)


def erase(x: Tensor, g: torch.Generator, p: float = 0.4) -> Tensor:
    """Cover up to three rectangles (Zhong et al., AAAI 2020), so that no one place decides."""
    n, side = len(x), x.shape[-1]
    out = x.clone()
    for i in range(n):
        if torch.rand((), generator=g) > p:
            continue
        for _ in range(int(torch.randint(1, 4, (), generator=g))):
            h, w = (int(torch.randint(side // 12, side // 4, (), generator=g)) for _ in range(2))
            top = int(torch.randint(side - h, (), generator=g))
            left = int(torch.randint(side - w, (), generator=g))
            out[i, 0, top : top + h, left : left + w] = float(torch.randn((), generator=g)) * 0.7
    return out


def mixup(x: Tensor, targets: Tensor, g: torch.Generator, p: float = 0.5) -> Augmented:
    """Blend pairs of images and of their targets (Zhang et al., ICLR 2018); the own part is larger."""
    n = len(x)
    mixed = torch.rand(n, generator=g) < p
    share = torch.where(mixed, torch.rand(n, generator=g) * 0.5, torch.zeros(n))
    other = torch.randperm(n, generator=g)
    weight = share.view(n, 1, 1, 1)
    return Augmented(
        (1 - weight) * x + weight * x[other], (1 - share) * targets + share * targets[other]
    )
