"""What a result is made from: the case, the model, its findings and their explanation. No FHIR types here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Coded:
    """A concept of a code system."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a model, as results name it."""

    analysis: str
    """Code of the analysis (terminology.analyses)."""
    version: str
    title: str
    sha256: str
    """Of the weights, in hex."""
    device: str
    """Id of its Device."""
    card: str
    """Id of its model card (DocumentReference)."""
    card_markdown: str
    intended_use: str
    explanation_method: str
    """How the heat map is made: 'class activation map (CAM)'."""
    explanation_layer: str
    """The layer that the heat map is taken from."""
    report: Coded
    """What its reports are reports of."""


@dataclass(frozen=True, slots=True)
class Case:
    """Who and what was looked at, and at whose request. References as the server spells them."""

    task: str
    """Id of the Task."""
    patient: str | None
    """``Patient/x``, as Task.for or ImagingStudy.subject says."""
    source: str
    """What was looked at: ``ImagingStudy/x``, ``Media/x`` or ``Binary/x``."""
    study_instance_uid: str | None
    sop_instance_uid: str | None
    """Of the image that was read."""
    study_started: str | None
    """FHIR dateTime of the acquisition, as the study says it."""
    accession: str | None = None
    based_on: tuple[str, ...] = ()
    """``ServiceRequest/x`` that the Task fulfils."""
    encounter: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of the model."""

    what: Coded
    where: Coded
    """The body site."""
    probability: float
    """Calibrated, 0..1."""
    threshold: float
    """0..1: from here on the finding counts as detected."""

    @property
    def noun(self) -> str:
        """The finding as a word in a sentence."""
        return self.what.display.casefold()

    @property
    def detected(self) -> bool:
        return self.probability >= self.threshold


@dataclass(frozen=True, slots=True)
class Caution:
    """Why a result needs more care than usual. ``code`` is one of terminology.cautions."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG and its size in pixels."""

    png: bytes
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What the model saw and where it looked."""

    radiograph: NDArray[np.uint8]
    """(rows, columns) grey, as displayed."""
    overlay: NDArray[np.uint8]
    """(rows, columns, 3): the radiograph under its heat map, same size."""
    coloured: bool
    """Whether any region spoke for a finding strongly enough to be seen in the overlay."""
    overlay_picture: Callable[[], Picture]
    """For storage: the overlay and the scale of its colours. Waits where it is still being encoded."""
    map_picture: Callable[[], Picture]
    """For storage: the heat map alone, in grey. As above."""
    map_reading: str
    """How grey levels of the map are to be read."""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one completed analysis has to say."""

    case: Case
    model: Model
    findings: tuple[Finding, ...]
    explanation: Explanation
    started: datetime
    finished: datetime
    cautions: tuple[Caution, ...] = ()
    software: str = "HealthVision"
    """Name and version of the code that made the result."""
    organization: str = "healthvision"
    """Id of the Organization that answers for the service."""
    notes: tuple[str, ...] = field(default=())
    """Further sentences for the reader (which of several images was read)."""
