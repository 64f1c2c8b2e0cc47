"""The step in the middle: an image in, what the model says of it out. One function for worker and command line."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Self

import numpy as np

from imaging.formats import Image
from inference.engines import EngineName, choose_engine
from inference.errors import Unsuitable
from inference.models.chest_xray_pneumonia.explain import Picture as Drawn
from inference.models.chest_xray_pneumonia.explain import beside_scale, layers, map_picture
from inference.models.chest_xray_pneumonia.predict import ChestXrayPneumonia, Prediction
from inference.models.chest_xray_pneumonia.preprocess import Preprocessing
from inference.models.chest_xray_pneumonia.suitability import Rejection, StudyFacts, screen
from inference.models.chest_xray_pneumonia.view import Seen, View, view
from inference.models.manifest import Code, Manifest
from inference.models.registry import InstalledModel
from inference.results.case import Caution, Coded, Explanation, Finding, Model, Picture
from terminology.analyses import device_id

COMPANY_S = 0.0
"""How long an image waits for others while the engine is idle: not at all. What comes while it runs is the next batch."""


VISIBLE_TINT = 24
"""Difference of red and blue, of 255, from which an eye sees a tint on a radiograph."""
VISIBLE_SHARE = 0.002
"""Share of the pixels that must be tinted for a reader to find them."""


class OutOfScope(StrEnum):
    """What happens to a patient outside the model's population."""

    CAUTION = "caution"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model says of one image."""

    findings: tuple[Finding, ...]
    cautions: tuple[Caution, ...]
    prediction: Prediction
    seen: Seen


class Reader:
    """One model on one engine, resident. Safe to call from several threads; close it, or use ``with``."""

    def __init__(
        self,
        installed: InstalledModel,
        *,
        engine: EngineName | None = None,
        threads: int | None = None,
        out_of_scope: OutOfScope = OutOfScope.CAUTION,
        largest_batch: int = 8,
    ) -> None:
        """Raises ModelError or EngineError where the model cannot be loaded."""
        self.manifest = installed.manifest
        self.model = model_of(installed)
        self._out_of_scope = out_of_scope
        loaded = choose_engine(installed.weights(), engine=engine, threads=threads)
        self.engine = f"{loaded.name} on {loaded.device}"
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._network = ChestXrayPneumonia(
            self.manifest, loaded, largest_batch=largest_batch, longest_wait_s=COMPANY_S
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._network.close()
        self._encoder.shutdown()

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are to be looked at for this model."""
        return self._network.preprocessing

    def submit(self, image: View, facts: StudyFacts, *, stat: bool) -> Submitted:
        """Screens an image and hands it to the engine; ``facts`` are all that is known of it.

        Raises:
            Unsuitable: this model must not answer for this image.
        """
        seen = image.content
        screening = screen(facts, self.manifest, seen if isinstance(seen, Rejection) else None)
        refused = screening.rejection or seen
        if isinstance(refused, Rejection):
            raise Unsuitable(str(refused.reason), refused.text)
        if self._out_of_scope is OutOfScope.REJECT:
            for caution in screening.cautions:
                if caution.out_of_scope:
                    raise Unsuitable("out-of-scope-age", caution.text)
        cautions = tuple(Caution(str(one.code), one.text) for one in screening.cautions)
        answer = self._network.submit_standardised(refused.standardised, stat=stat)
        return Submitted(refused, cautions, answer)

    def conclude(self, submitted: Submitted, prediction: Prediction) -> Reading:
        """What the engine's answer means.

        Raises:
            Unsuitable: the picture is too far from what the model was trained on.
        """
        if not prediction.within_limit:
            raise Unsuitable(
                "out-of-distribution",
                "The image does not look like the radiographs that the model was trained on.",
            )
        finding = Finding(
            what=_coded(self.manifest.finding),
            where=_coded(self.manifest.body_site),
            probability=prediction.probability,
            threshold=prediction.threshold,
        )
        return Reading((finding,), submitted.cautions, prediction, submitted.seen)

    def read(self, image: Image) -> Reading:
        """All of it at once, for callers without an event loop.

        Raises:
            Unsuitable: this model must not answer for this image.
            EngineError: the engine failed.
        """
        viewed = view(image, self.preprocessing)
        submitted = self.submit(viewed, viewed.facts, stat=True)
        return self.conclude(submitted, submitted.answer.result())

    def explain(self, reading: Reading) -> Explanation:
        """Draws where the evidence lies. The files for storage are encoded beside whatever comes next."""
        scale = self.manifest.explanation.full_scale_logit
        drawn = layers(reading.seen.plain, reading.prediction, scale)
        overlay = self._encoder.submit(beside_scale, (drawn.coloured,), scale)
        heat = self._encoder.submit(
            map_picture, drawn, reading.prediction.standardised.shape, scale
        )
        coloured = np.asarray(drawn.coloured)
        red_over_blue = coloured[::4, ::4, 0].astype(np.int16) - coloured[::4, ::4, 2]
        return Explanation(
            radiograph=reading.seen.plain,
            overlay=coloured,
            coloured=bool((np.abs(red_over_blue) > VISIBLE_TINT).mean() > VISIBLE_SHARE),
            overlay_picture=partial(_awaited, overlay),
            map_picture=partial(_awaited, heat),
            map_reading=(
                "Evidence for the finding on the grid of the whole image, 8-bit grey: 0 is none, 255 is "
                f"{scale:g} or more in calibrated log-odds."
            ),
        )


@dataclass(frozen=True, slots=True)
class Submitted:
    """An image that waits for its batch."""

    seen: Seen
    cautions: tuple[Caution, ...]
    answer: Future[Prediction]

    async def predicted(self) -> Prediction:
        """Waits for the batch without a thread."""
        return await asyncio.wrap_future(self.answer)


def model_of(installed: InstalledModel) -> Model:
    """A manifest as results name it."""
    manifest: Manifest = installed.manifest
    device = device_id(manifest.analysis, manifest.version)
    return Model(
        analysis=manifest.analysis,
        version=manifest.version,
        title=manifest.title,
        sha256=manifest.weights.sha256,
        device=device,
        card=f"{device}-card",
        card_markdown=installed.card(),
        intended_use=f"Trained on {manifest.population.described}. Not a medical device.",
        explanation_method="class activation map (CAM)",
        explanation_layer=manifest.weights.target_layer,
        report=_coded(manifest.report),
    )


def completed(facts: StudyFacts, modality: str, body_part: str, age: float | None) -> StudyFacts:
    """The file's facts, and the record's where the file is silent. OT says nothing of a modality."""
    return replace(
        facts,
        modality=facts.modality or ("" if modality == "OT" else modality),
        body_part=facts.body_part or body_part,
        patient_age_years=facts.patient_age_years if facts.patient_age_years is not None else age,
    )


def _awaited(encoded: Future[Drawn]) -> Picture:
    drawn = encoded.result()
    return Picture(drawn.png, drawn.rows, drawn.columns)


def _coded(code: Code) -> Coded:
    return Coded(code.system, code.code, code.display)
