"""The one in-memory form of an image, whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from imaging.formats.grayscale import Grayscale, display, modality_values
from terminology.body_parts import Coding

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """A value with where it came from: 'DICOM (0018,1164) Imager Pixel Spacing', 'NIfTI pixdim', 'assumed: …'."""

    value: T
    source: str


class Format(StrEnum):
    """File formats, by the media type we serve them in."""

    DICOM = "application/dicom"
    NIFTI = "application/vnd.nifti"
    NIFTI_GZ = "application/vnd.nifti+gzip"
    JPEG = "image/jpeg"
    PNG = "image/png"
    TIFF = "image/tiff"


class Kind(StrEnum):
    SINGLE = "single"
    """Pixels (rows, columns) or (rows, columns, 3)."""
    MULTI_FRAME = "multi-frame"
    """Pixels (frames, rows, columns) or (frames, rows, columns, 3), in stored order."""
    VOLUME = "volume"
    """Pixels (slices, rows, columns), evenly spaced along the slice axis."""


@dataclass(frozen=True, slots=True)
class BodyPart:
    """``text`` as the file has it; ``coding`` its SNOMED CT code where one is known."""

    text: str
    coding: Coding | None = None


Affine = tuple[
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Stored pixels with all that is known of them.

    ``pixels`` are stored values, except that colour is always RGB. Use ``display`` to look at them and
    ``modality_values`` to measure (Hounsfield units for CT).
    """

    pixels: npt.NDArray[Any]
    kind: Kind
    format: Format
    grayscale: tuple[Grayscale, ...]
    """How stored values become shades: one for all frames, or one a frame. Empty for colour."""
    spacing_mm: Sourced[tuple[float, ...]] | None = None
    """In the order of the axes of ``pixels``: (row, column), or (slice, row, column) for a volume."""
    affine_lps_mm: Sourced[Affine] | None = None
    """From (slice, row, column, 1) indices to millimetres towards the patient's left, posterior, superior; a single
    slice has index 0. The origin is its last column (https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.7.6.2.html)."""
    modality: Sourced[str] | None = None
    body_part: Sourced[BodyPart] | None = None
    view_position: Sourced[str] | None = None
    laterality: Sourced[str] | None = None
    patient_age_years: Sourced[float] | None = None
    patient_sex: Sourced[str] | None = None
    """DICOM's code: M, F or O."""
    study_date: Sourced[date] | None = None
    transfer_syntax_uid: str | None = None
    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None
    series_instance_uid: str | None = None
    study_instance_uid: str | None = None

    @property
    def colour(self) -> bool:
        return not self.grayscale

    @property
    def frames(self) -> int:
        return 1 if self.kind is Kind.SINGLE else int(self.pixels.shape[0])

    @property
    def rows(self) -> int:
        return int(self.pixels.shape[0 if self.kind is Kind.SINGLE else 1])

    @property
    def columns(self) -> int:
        return int(self.pixels.shape[1 if self.kind is Kind.SINGLE else 2])

    def frame(self, index: int = 0) -> npt.NDArray[Any]:
        """Stored values of one frame or slice, (rows, columns) or (rows, columns, 3).

        Raises:
            IndexError: there is no such frame.
        """
        if not 0 <= index < self.frames:
            raise IndexError(f"frame {index} of {self.frames}")
        frame: npt.NDArray[Any] = self.pixels if self.kind is Kind.SINGLE else self.pixels[index]
        return frame

    def grayscale_of(self, index: int) -> Grayscale:
        return self.grayscale[index if len(self.grayscale) > 1 else 0]

    def only(self, index: int) -> Image:
        """One frame or slice as an image of its own, with its place in space.

        Raises:
            IndexError: there is no such frame.
        """
        pixels = self.frame(index)
        spacing, affine = self.spacing_mm, self.affine_lps_mm
        if self.kind is Kind.VOLUME:
            if spacing is not None:
                spacing = Sourced(spacing.value[-2:], spacing.source)
            if affine is not None:
                affine = Sourced(_shifted(affine.value, index), affine.source)
        grayscale = (self.grayscale_of(index),) if self.grayscale else ()
        return replace(
            self,
            pixels=pixels,
            kind=Kind.SINGLE,
            grayscale=grayscale,
            spacing_mm=spacing,
            affine_lps_mm=affine,
        )

    def modality_values(self, index: int = 0) -> npt.NDArray[np.float32]:
        """float32 (rows, columns) of one frame after the modality LUT or rescale; luminance 0..255 for colour."""
        frame = self.frame(index)
        return (
            _luminance(frame) if self.colour else modality_values(frame, self.grayscale_of(index))
        )

    def display(self, index: int = 0, window: int = 0) -> npt.NDArray[np.float32]:
        """One frame as a person would see it: float32 (rows, columns), 0 black to 1 white (MONOCHROME2).

        ``window`` chooses among the VOI transforms of the file. Without one the whole range of values is shown.
        Colour becomes luminance.
        """
        frame = self.frame(index)
        if self.colour:
            return _luminance(frame) / np.float32(_white(frame.dtype))
        return display(frame, self.grayscale_of(index), window)

    def display_rgb(self, index: int = 0, window: int = 0) -> npt.NDArray[np.uint8]:
        """One frame for a screen: uint8 (rows, columns), or (rows, columns, 3) for colour."""
        frame = self.frame(index)
        if self.colour:
            scaled = frame.astype(np.float32) * np.float32(255 / _white(frame.dtype))
        else:
            scaled = display(frame, self.grayscale_of(index), window) * np.float32(255)
        shown: npt.NDArray[np.uint8] = np.rint(scaled).astype(np.uint8)
        return shown


def _shifted(affine: Affine, slices: int) -> Affine:
    """The affine with its origin moved along the slice axis."""
    a, b, c, last = affine
    (p, q, r) = ((row[0], row[1], row[2], row[3] + slices * row[0]) for row in (a, b, c))
    return p, q, r, last


def _white(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def _luminance(rgb: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Rec. ITU-R BT.601 luma, which DICOM's YBR_FULL uses too (PS3.3 C.7.6.3.1.2)."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    result: npt.NDArray[np.float32] = rgb.astype(np.float32) @ weights
    return result
