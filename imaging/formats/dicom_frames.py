"""Where each frame of an enhanced multi-frame object lies, from its functional groups.

https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.7.6.16.2.html
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from imaging.formats import dicom_facts as facts
from imaging.formats.dicom_values import items, numbers
from imaging.formats.image import Affine, Sourced
from imaging.formats.slices import Stack, stack

_GROUPS = "DICOM functional groups (PlanePosition, PlaneOrientation, PixelMeasures)"


@dataclass(frozen=True, slots=True)
class FrameGeometry:
    """Planes of all frames; ``order`` and ``step_mm`` where they make an evenly spaced stack."""

    planes: tuple[Affine, ...]
    spacing_mm: tuple[float, float]
    stack: Stack | None

    @property
    def order(self) -> tuple[int, ...] | None:
        return self.stack.order if self.stack is not None else None

    def plane(self, frame: int) -> tuple[Sourced[tuple[float, ...]], Sourced[Affine]]:
        return Sourced(self.spacing_mm, _GROUPS), Sourced(self.planes[frame], _GROUPS)

    def volume(self) -> tuple[Sourced[tuple[float, ...]], Sourced[Affine]]:
        assert self.stack is not None
        spacing = (self.stack.step_mm, *self.spacing_mm)
        return Sourced(spacing, _GROUPS), Sourced(self.stack.affine, _GROUPS)


def frame_geometry(dataset: Dataset, frames: int) -> FrameGeometry | None:
    """None where the object has no functional groups, or they do not give every frame a plane."""
    shared = items(dataset, "SharedFunctionalGroupsSequence")
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
    if not shared or len(per_frame) != frames:
        return None
    planes: list[Affine] = []
    spacings: set[tuple[float, ...]] = set()
    for groups in per_frame:
        flat = Dataset()
        for name, keyword in (
            ("PlanePositionSequence", "ImagePositionPatient"),
            ("PlaneOrientationSequence", "ImageOrientationPatient"),
            ("PixelMeasuresSequence", "PixelSpacing"),
        ):
            found = items(groups, name) or items(shared[0], name)
            values = numbers(found[0], keyword) if found else []
            if not values:
                return None
            setattr(flat, keyword, values)
        plane, spacing = facts.plane_affine(flat), facts.pixel_spacing_mm(flat)
        if plane is None or spacing is None:
            return None
        planes.append(plane.value)
        spacings.add(spacing.value)
    if len(spacings) != 1:
        return None
    row_mm, column_mm = next(iter(spacings))
    return FrameGeometry(
        tuple(planes), (row_mm, column_mm), stack([np.array(plane) for plane in planes])
    )
