"""The limit that the whole way is held against: the model alone, in this process, on decoded images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.machine import percentile
from imaging.formats import read
from inference.engines import choose_engine
from inference.models.chest_xray_pneumonia.predict import ChestXrayPneumonia
from inference.models.registry import installed_model

SINGLES, BATCHED, BATCH = 200, 96, 8


@dataclass(frozen=True, slots=True)
class BareModel:
    """What the model costs by itself: preparing the decoded image and predicting it."""

    p50_s: float
    p95_s: float
    p99_s: float
    batch_s: float
    """One full batch."""
    images_per_s: float
    """In full batches."""


def measure(dicom: bytes) -> BareModel:
    """Measures the model that the worker would take, on the pixels of ``dicom``."""
    installed = installed_model("chest-xray-pneumonia")
    shown = read(dicom).display()
    with ChestXrayPneumonia(
        installed.manifest, choose_engine(installed.weights()), largest_batch=BATCH
    ) as model:
        for _ in range(3):
            model.predict(shown, stat=True)
        singles = [_timed(lambda: model.predict(shown, stat=True)) for _ in range(SINGLES)]
        total_s = _timed(
            lambda: [one.result() for one in [model.submit(shown) for _ in range(BATCHED)]]
        )
    return BareModel(
        p50_s=percentile(singles, 0.5),
        p95_s=percentile(singles, 0.95),
        p99_s=percentile(singles, 0.99),
        batch_s=total_s * BATCH / BATCHED,
        images_per_s=BATCHED / total_s,
    )


def _timed(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s
