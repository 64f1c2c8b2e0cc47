"""What a model says of itself: `model.json`, read once and checked completely.

Whatever belongs to one set of weights stands in one file beside them: what they are for, how an
image must be prepared, how a logit becomes a probability, where the threshold lies and why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from inference.models.errors import ManifestInvalid

VERSION = re.compile(r"\d+\.\d+\.\d+")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Code:
    """A concept of a code system, as FHIR's Coding."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Weights:
    """The ONNX file and the content it must have."""

    file: str
    sha256: str
    size_bytes: int
    target_layer: str
    """Which feature map the explanation is taken from."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What the model may be asked about. DICOM terms in capitals."""

    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Population:
    """The patients of the training data, both ages included."""

    youngest_years: float
    oldest_years: float
    described: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """probability = sigmoid(logit / temperature), Guo et al., ICML 2017."""

    temperature: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Present at or above the threshold of the calibrated probability; and why it lies there."""

    threshold: float
    rule: str


@dataclass(frozen=True, slots=True)
class Novelty:
    """Beyond `limit` of the graph's output `distance`, the model gives no answer; and why there."""

    limit: float
    rule: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the heat map is drawn: this much evidence at a point is the full colour."""

    full_scale_logit: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of one model."""

    name: str
    version: str
    title: str
    analysis: str
    licence: str
    card: str
    weights: Weights
    finding: Code
    body_site: Code
    report: Code
    capability: Capability
    population: Population
    preprocessing: Mapping[str, int | float]
    calibration: Calibration
    decision: Decision
    novelty: Novelty
    explanation: Explanation

    def __post_init__(self) -> None:
        """Refuse what no server could act on."""
        checks = {
            "version is of three numbers": VERSION.fullmatch(self.version),
            "weights.sha256 is 64 hexadecimal digits": SHA256.fullmatch(self.weights.sha256),
            "weights.file is a file name": Path(self.weights.file).name == self.weights.file,
            "card is a file name": Path(self.card).name == self.card,
            "calibration.temperature is positive": _positive(self.calibration.temperature),
            "decision.threshold lies between 0 and 1": 0 < self.decision.threshold < 1,
            "novelty.limit is positive": _positive(self.novelty.limit),
            "explanation.full_scale_logit is positive": _positive(
                self.explanation.full_scale_logit
            ),
            "capability names a modality and a body part": self.capability.modalities
            and self.capability.body_parts,
            "population's ages are in order": 0
            <= self.population.youngest_years
            <= self.population.oldest_years,
        }
        for demand, met in checks.items():
            if not met:
                raise ManifestInvalid(f"{self.name}: {demand}")


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def parse_manifest(content: bytes) -> Manifest:
    """Read `model.json`; every member is required and none is unknown.

    Raises:
        ManifestInvalid: saying which member and why.
    """
    try:
        members: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        unknown = members.keys() - Manifest.__dataclass_fields__.keys()
        if unknown:
            raise ManifestInvalid(f"unknown members: {', '.join(sorted(unknown))}")
        return msgspec.convert(members, Manifest)
    except msgspec.MsgspecError as error:
        raise ManifestInvalid(f"model.json: {error}") from error


def manifest_json(manifest: Manifest) -> bytes:
    """Return the text of `model.json`, indented for people; `parse_manifest` gives the same back."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
