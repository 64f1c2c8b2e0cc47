"""Stored values → modality values → shades of grey.

The grayscale pipeline of DICOM PS3.3 C.11.1 (Modality LUT), C.11.2 (VOI LUT) and C.11.6 (Presentation LUT shape),
used for every format: what a NIfTI or PNG header says is put in the same terms.
https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.11.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Lut:
    """A lookup table: input ``first`` gives ``values[0]``; inputs beyond either end give the end's value."""

    first: int
    values: npt.NDArray[np.float32]
    bits: int
    """Bits of an entry: the full range of the output is 0 to 2**bits - 1."""

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        index = np.clip(np.rint(values).astype(np.int64) - self.first, 0, len(self.values) - 1)
        result: npt.NDArray[np.float32] = self.values[index]
        return result


@dataclass(frozen=True, slots=True)
class Rescale:
    """modality value = slope * stored value + intercept."""

    slope: float = 1.0
    intercept: float = 0.0


class WindowFunction(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """Centre and width in modality values; the width is positive (LINEAR: at least 1)."""

    center: float
    width: float
    function: WindowFunction = WindowFunction.LINEAR
    explanation: str = ""

    def __post_init__(self) -> None:
        smallest = 1.0 if self.function is WindowFunction.LINEAR else 0.0
        if not (np.isfinite(self.center) and np.isfinite(self.width)) or (
            self.width < smallest or self.width == 0
        ):
            raise ValueError(f"a {self.function} window cannot have width {self.width}")

    def apply(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """0..1, by the formulas of C.11.2.1.2 and C.11.2.1.3."""
        if self.function is WindowFunction.SIGMOID:
            exponent = np.clip(-4.0 * (values - self.center) / self.width, -80, 80)
            sigmoid: npt.NDArray[np.float32] = (1 / (1 + np.exp(exponent))).astype(np.float32)
            return sigmoid
        if self.function is WindowFunction.LINEAR_EXACT:
            low, span = self.center - self.width / 2, self.width
        elif self.width == 1:
            step: npt.NDArray[np.float32] = (values > self.center - 0.5).astype(np.float32)
            return step
        else:
            low, span = self.center - 0.5 - (self.width - 1) / 2, self.width - 1
        shades = values - np.float32(low)
        shades /= np.float32(span)
        np.clip(shades, 0, 1, out=shades)
        return shades


@dataclass(frozen=True, slots=True, eq=False)
class Grayscale:
    """The pipeline of one frame."""

    modality: Rescale | Lut = Rescale()
    voi: tuple[Window | Lut, ...] = ()
    """Alternatives, the preferred one first. Empty: the whole range of the values."""
    inverted: bool = False
    """The lowest value is white (MONOCHROME1, TIFF WhiteIsZero)."""
    padding: tuple[float, float] | None = None
    """Stored values in this closed range are no image (Pixel Padding Value); they are shown black."""
    units: str | None = None
    """Of modality values: 'HU', 'OD', …"""
    voi_source: str = "assumed: the whole range of the values"


def modality_values(stored: npt.NDArray[Any], grayscale: Grayscale) -> npt.NDArray[np.float32]:
    """Applies the modality LUT or rescale: float32, the shape of ``stored``."""
    if isinstance(grayscale.modality, Lut):
        return grayscale.modality.apply(stored)
    values = stored.astype(np.float32)
    if grayscale.modality.slope != 1:
        values *= np.float32(grayscale.modality.slope)
    if grayscale.modality.intercept != 0:
        values += np.float32(grayscale.modality.intercept)
    return values


def padded(stored: npt.NDArray[Any], grayscale: Grayscale) -> npt.NDArray[np.bool_] | None:
    """Where ``stored`` is padding, or None where no value is."""
    if grayscale.padding is None:
        return None
    low, high = grayscale.padding
    mask = (stored >= low) & (stored <= high)
    return mask if mask.any() else None


def display(
    stored: npt.NDArray[Any], grayscale: Grayscale, window: int = 0
) -> npt.NDArray[np.float32]:
    """The shades of ``stored``: float32 of the same shape, 0 black to 1 white.

    Raises:
        IndexError: the file has VOI transforms, but not that many.
    """
    voi = grayscale.voi[window] if grayscale.voi else None
    few = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
    if few and voi is not None and not _is_plain(grayscale, voi):
        # Each value has one shade: a table of at most 65,536 is several times faster than a frame of millions.
        patterns = np.arange(2 ** (8 * stored.dtype.itemsize)).astype(f"u{stored.dtype.itemsize}")
        table = _shades(patterns.view(stored.dtype), grayscale, voi)
        shades: npt.NDArray[np.float32] = table.take(
            np.ascontiguousarray(stored).view(patterns.dtype)
        )
        return shades
    return _shades(stored, grayscale, voi)


def _is_plain(grayscale: Grayscale, voi: Window | Lut) -> bool:
    """Whether the pipeline is a few sums and products, which are faster than looking the shades up in a table."""
    return (
        grayscale.padding is None
        and isinstance(grayscale.modality, Rescale)
        and isinstance(voi, Window)
        and voi.function is not WindowFunction.SIGMOID
    )


def _shades(
    stored: npt.NDArray[Any], grayscale: Grayscale, voi: Window | Lut | None
) -> npt.NDArray[np.float32]:
    values = modality_values(stored, grayscale)
    padding = padded(stored, grayscale)
    if voi is None:
        shades = _whole_range(values, padding)
    elif isinstance(voi, Lut):
        shades = voi.apply(values) / np.float32(2**voi.bits - 1)
    else:
        shades = voi.apply(values)
    if grayscale.inverted:
        np.subtract(np.float32(1), shades, out=shades)
    if padding is not None:
        shades[padding] = 0
    if stored.dtype.kind not in "iu":
        np.nan_to_num(shades, copy=False)
    return np.clip(shades, 0, 1, out=shades)


def _whole_range(
    values: npt.NDArray[np.float32], padding: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.float32]:
    shown = np.isfinite(values)
    if padding is not None:
        shown &= ~padding
    if not shown.any():
        return np.zeros_like(values)
    low, high = float(values[shown].min()), float(values[shown].max())
    if high <= low:
        return np.zeros_like(values)
    return (values - np.float32(low)) / np.float32(high - low)
