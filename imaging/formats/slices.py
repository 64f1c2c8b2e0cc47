"""Putting parallel planes in order along their normal.

DICOM gives slices no order of their own: instance numbers may be anything. What counts is the projection of Image
Position (Patient) on the common normal (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imaging.formats.image import Affine

Plane = npt.NDArray[Any]
"""4x4, as ``Image.affine_lps_mm`` of a single slice."""

_ANGLE_TOLERANCE = 1e-3
_IN_PLANE_TOLERANCE_MM = 0.1
_SPACING_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Stack:
    """Planes in spatial order: ``order[i]`` is the index of the plane that is slice i."""

    order: tuple[int, ...]
    step_mm: float
    affine: Affine


class NoStack(ValueError):
    """Why planes make no evenly spaced stack: a sentence without identifiers."""


def stack(planes: Sequence[Plane]) -> Stack | None:
    """The stack that ``planes`` make, or None."""
    try:
        return require_stack(planes)
    except NoStack:
        return None


def require_stack(planes: Sequence[Plane]) -> Stack:
    """Orders planes along their normal and checks that none is missing or doubled.

    Steps may differ by 1 % (at least 0.01 mm); sheared stacks (gantry tilt) keep their shear in the affine.

    Raises:
        NoStack: fewer than two planes, not parallel, two at one place, or a gap.
    """
    if len(planes) < 2:
        raise NoStack("a volume needs two slices at least")
    first = planes[0]
    for plane in planes[1:]:
        if not np.allclose(plane[:3, 1:3], first[:3, 1:3], atol=_ANGLE_TOLERANCE):
            raise NoStack("the slices are not parallel, or differ in spacing")
    normal = np.cross(_unit(first[:3, 2]), _unit(first[:3, 1]))
    positions = np.array([plane[:3, 3] for plane in planes])
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order])
    step = float(np.median(steps))
    tolerance = max(_SPACING_TOLERANCE * step, 0.01)
    if steps.min() < 0.01:
        raise NoStack("two slices lie at the same place")
    if np.abs(steps - step).max() > tolerance:
        widest = float(steps.max())
        raise NoStack(
            f"slices are missing: the step is {step:.3g} mm, but one gap is {widest:.3g} mm"
        )
    ordered = positions[order]
    shift = (ordered[-1] - ordered[0]) / (len(planes) - 1)
    straight = ordered[0] + np.outer(np.arange(len(planes)), shift)
    if np.abs(ordered - straight).max() > max(_IN_PLANE_TOLERANCE_MM, tolerance * len(planes)):
        raise NoStack("the slices do not lie on one line")
    matrix = np.array(first, dtype=np.float64)
    matrix[:3, 0], matrix[:3, 3] = shift, ordered[0]
    return Stack(tuple(int(index) for index in order), step, to_affine(matrix))


def to_affine(matrix: npt.NDArray[Any]) -> Affine:
    """A 4x4 matrix as nested tuples."""
    a, b, c, d = (tuple(float(x) for x in row) for row in matrix)
    return (a, b, c, d)  # type: ignore[return-value]  # four numbers each, by the matrix's shape


def _unit(vector: npt.NDArray[Any]) -> npt.NDArray[Any]:
    unit: npt.NDArray[Any] = vector / np.linalg.norm(vector)
    return unit
