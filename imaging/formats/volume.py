"""A series of slices → one volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imaging.errors import ImageTooLarge, InconsistentSeries
from imaging.formats.image import Image, Kind, Sourced
from imaging.formats.limits import Limits
from imaging.formats.slices import NoStack, require_stack

_SOURCE = "the slices' DICOM (0020,0032) ImagePositionPatient"


def volume_of(slices: Sequence[Image], limits: Limits | None = None) -> Image:
    """Puts single slices in spatial order, whatever order they come in, and checks that none is missing or doubled.

    What the slices agree on (modality, body part, patient …) is the first one's; a SOP Instance UID the volume has none.

    Raises:
        InconsistentSeries: different series or sizes, no positions, not parallel, a gap, two slices at one place.
        ImageTooLarge: past ``limits.max_decoded_bytes``.
    """
    if not slices:
        raise InconsistentSeries("the series has no slices")
    first = slices[0]
    _check_alike(slices, first)
    size = sum(image.pixels.nbytes for image in slices)
    if size > (limits or Limits()).max_decoded_bytes:
        raise ImageTooLarge(f"a volume of {size} bytes is past the limit")
    planes = [image.affine_lps_mm for image in slices]
    if any(plane is None for plane in planes):
        raise InconsistentSeries("a slice has no position and orientation")
    try:
        stack = require_stack([np.array(plane.value) for plane in planes if plane is not None])
    except NoStack as exc:
        raise InconsistentSeries(str(exc)) from exc
    ordered = [slices[index] for index in stack.order]
    rows_columns = first.spacing_mm.value if first.spacing_mm is not None else (1.0, 1.0)
    return replace(
        first,
        pixels=np.stack([image.pixels for image in ordered]),
        kind=Kind.VOLUME,
        grayscale=tuple(image.grayscale[0] for image in ordered),
        spacing_mm=Sourced((stack.step_mm, *rows_columns), _SOURCE),
        affine_lps_mm=Sourced(stack.affine, _SOURCE),
        sop_instance_uid=None,
    )


def _check_alike(slices: Sequence[Image], first: Image) -> None:
    for image in slices:
        if image.kind is not Kind.SINGLE or image.colour:
            raise InconsistentSeries("a volume is made of single grey slices")
        if image.pixels.shape != first.pixels.shape or image.pixels.dtype != first.pixels.dtype:
            raise InconsistentSeries("the slices differ in size or depth")
        if image.series_instance_uid != first.series_instance_uid:
            raise InconsistentSeries("the slices are of different series")
