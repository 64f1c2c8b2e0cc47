"""What is taken from an image once it is decoded: all that screening, network and report need of its pixels.

It is a twentieth of the image, so the processes that decode hand back this and keep the pixels to themselves.
"""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imaging.formats import Image, Limits, read
from inference.models.chest_xray_pneumonia.explain import displayed
from inference.models.chest_xray_pneumonia.preprocess import (
    Pixels,
    Preprocessing,
    Standardised,
    standardise,
)
from inference.models.chest_xray_pneumonia.suitability import Rejection, StudyFacts, unfit


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture that the network can be asked about."""

    standardised: Standardised
    plain: NDArray[np.uint8]
    """(rows, columns) grey, for a person: at most 512 pixels a side."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One image of a study."""

    facts: StudyFacts
    """What its file says."""
    content: Seen | Rejection
    """What it shows, or why its pixels are no radiograph's."""


def view_of(source: bytes | Path, limits: Limits, preprocessing: Preprocessing) -> View:
    """Reads a file of any format; to be run where a decoder may break down.

    Raises:
        ImageError: see imaging/errors.py.
    """
    return view(read(source, limits=limits), preprocessing)


def ready() -> None:
    """Imports what is else imported with the first file of its kind, and has no garbage looked for in it."""
    import imaging.formats.raster

    assert imaging.formats.raster
    gc.collect()
    gc.freeze()


def view(image: Image, preprocessing: Preprocessing) -> View:
    """Looks at the first frame as a person would see it."""
    shown = image.display()
    return View(facts_of(image), unfit(shown) or _seen(shown, preprocessing))


def _seen(shown: Pixels, preprocessing: Preprocessing) -> Seen:
    """The two looks at once: each leaves Python's lock alone for most of its time."""
    with ThreadPoolExecutor(1, thread_name_prefix="view") as beside:
        standardised = beside.submit(standardise, shown, preprocessing)
        plain = displayed(shown)
        return Seen(standardised.result(), plain)


def facts_of(image: Image) -> StudyFacts:
    """What the file itself says."""
    return StudyFacts(
        modality=image.modality.value if image.modality else "",
        body_part=image.body_part.value.text if image.body_part else "",
        view_position=image.view_position.value if image.view_position else "",
        patient_age_years=image.patient_age_years.value if image.patient_age_years else None,
        colour=_is_coloured(image),
        frames=image.frames,
    )


def _is_coloured(image: Image) -> bool:
    """Whether the channels differ anywhere: a grey picture saved as RGB is no colour picture."""
    if not image.colour:
        return False
    frame = image.frame()
    return bool((frame[..., :1] != frame).any())
