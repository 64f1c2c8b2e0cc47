"""From a radiograph to a calibrated probability with its explanation.

Three steps, so that a worker can run them in different places: `standardise` (CPU, one image),
the graph (an engine, batches), `interpret` (CPU, one image). `ChestXrayPneumonia` joins them.
"""

from __future__ import annotations

import math
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.engines import Answer, Batcher, Engine
from inference.models.chest_xray_pneumonia.preprocess import (
    Pixels,
    Preprocessing,
    Standardised,
    standardise,
)
from inference.models.manifest import Manifest

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says of one image. Its probability means something only `within_limit`."""

    logit: float
    probability: float
    """Calibrated: of 100 images with 0.7, about 70 show the finding (see the card for how well)."""
    threshold: float
    evidence: Floats
    """(rows, columns) of the feature map: calibrated log-odds that each place adds; its mean is
    the calibrated logit."""
    distance: float
    """From the training radiographs; about 1 for one of them."""
    distance_limit: float
    standardised: Standardised

    @property
    def present(self) -> bool:
        return self.probability >= self.threshold

    @property
    def within_limit(self) -> bool:
        """Whether the picture looks enough like the training radiographs to be answered at all."""
        return self.distance <= self.distance_limit


def preprocessing_of(manifest: Manifest) -> Preprocessing:
    """Return the parameters that belong to these weights."""
    return msgspec.convert(dict(manifest.preprocessing), Preprocessing)


def interpret(answer: Answer, standardised: Standardised, manifest: Manifest) -> Prediction:
    """Calibrate one answer of the graph."""
    temperature = manifest.calibration.temperature
    logit = float(answer["logit"])
    cam = np.asarray(answer["cam"], dtype=np.float32)
    bias = logit - float(cam.mean())
    return Prediction(
        logit=logit,
        probability=sigmoid(logit / temperature),
        threshold=manifest.decision.threshold,
        evidence=((cam + bias) / temperature).astype(np.float32),
        distance=float(answer["distance"]),
        distance_limit=manifest.novelty.limit,
        standardised=standardised,
    )


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + exp(-logit)) without overflow."""
    return 0.5 * (1 + math.tanh(logit / 2))


class ChestXrayPneumonia:
    """The model, ready to answer: a manifest and a batcher on its engine. Close it, or use `with`."""

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        *,
        largest_batch: int = 8,
        longest_wait_s: float = 0.01,
    ) -> None:
        self.manifest = manifest
        self.engine = engine
        self.preprocessing = preprocessing_of(manifest)
        self._batcher = Batcher(engine, largest=largest_batch, longest_wait_s=longest_wait_s)

    def submit(self, image: Pixels, *, stat: bool = False) -> Future[Prediction]:
        """Prepare an image here and have it predicted in the next batch.

        `image` is (rows, columns), displayed as MONOCHROME2, at least 2 pixels on a side; `screen`
        it first. The future raises an EngineError where the engine fails.
        """
        return self.submit_standardised(standardise(image, self.preprocessing), stat=stat)

    def submit_standardised(
        self, standardised: Standardised, *, stat: bool = False
    ) -> Future[Prediction]:
        """As `submit`, of an image that was prepared elsewhere."""
        answer = self._batcher.submit(standardised.pixels[np.newaxis], stat=stat)
        prediction: Future[Prediction] = Future()
        prediction.set_running_or_notify_cancel()

        def finish(answered: Future[Answer]) -> None:
            error = answered.exception()
            if error is not None:
                prediction.set_exception(error)
            else:
                prediction.set_result(interpret(answered.result(), standardised, self.manifest))

        answer.add_done_callback(finish)
        return prediction

    def predict(self, image: Pixels, *, stat: bool = False) -> Prediction:
        """`submit` and wait."""
        return self.submit(image, stat=stat).result()

    def close(self) -> None:
        """Answer what was submitted, then let the engine go."""
        self._batcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
