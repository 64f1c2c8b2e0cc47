"""One analysis, told once: from a claimed Task to its report, or to the reason why there is none.

    progress → source → completeness → fetch → decode → screen → predict → explain → report → finish

Every way out ends in a state of the Task that a client can read: ``completed`` with results, ``rejected`` (the model
must not answer), ``failed`` (it cannot be answered), ``requested`` again (something was missing or unreachable), or
it was cancelled and nothing is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from imaging.errors import ImageError, ImageTooLarge
from imaging.formats import Limits
from imaging.isolation import DecoderProcesses
from inference.client import FhirClient
from inference.engines import EngineError
from inference.errors import (
    Changed,
    Dropped,
    Failed,
    Incomplete,
    InferenceError,
    NotAllowed,
    Refused,
    Transient,
    Unsuitable,
)
from inference.models.chest_xray_pneumonia.predict import Prediction
from inference.models.chest_xray_pneumonia.suitability import StudyFacts
from inference.models.chest_xray_pneumonia.view import View, view_of
from inference.results.bundle import resources
from inference.results.case import Case, Caution, Result
from inference.workflow.completeness import require_complete
from inference.workflow.fetch import Archives, Fetched
from inference.workflow.finish import complete, fail, give_back
from inference.workflow.hold import Hold
from inference.workflow.patient import age_years
from inference.workflow.queue import Handback, TaskQueue
from inference.workflow.reading import Reader, Reading, completed
from inference.workflow.source import Picture, Study, candidates, source_of
from inference.workflow.task import TaskDocument, reference_of
from inference.workflow.turns import Precedence, Turns
from terminology.analyses import ANALYSES, Analysis

log = structlog.get_logger(__name__)

MOST_IMAGES = 8
"""Images of one study that are looked at for one that suits the model."""
QUICK_FETCH_S = 0.05
"""So long the server's attention is left to the pixels before it is told that the Task is in progress."""
_RANK = {"stat": 3, "asap": 2, "urgent": 1}


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every analysis of this worker uses."""

    client: FhirClient
    queue: TaskQueue
    archives: Archives
    decoders: DecoderProcesses
    reader: Reader
    precedence: Precedence
    processor: Turns
    """For decoding, drawing and writing: a bounded share of this machine's processors."""
    storing: Turns
    """For results on their way to the server."""
    limits: Limits
    software: str
    organization: str


async def analyse(place: Workplace, hold: Hold) -> None:
    """Works on one Task until it has an end or is given back. Raises only NotAllowed, and CancelledError."""
    started = datetime.now(UTC)
    try:
        await _work(place, hold, started)
        log.info("completed", task=hold.id, seconds=_seconds_since(started))
    except asyncio.CancelledError:
        if hold.dropped is None:  # the worker stops
            await asyncio.shield(
                give_back(place.queue, hold, Handback("handed-back", counts=False))
            )
            raise
        log.info("dropped", task=hold.id, reason=hold.dropped)
    except NotAllowed:
        await give_back(place.queue, hold, Handback("handed-back", counts=False))
        raise
    except InferenceError as error:
        await _end(place, hold, error)
    except Exception as error:  # noqa: BLE001 - one Task's defect must not end the others'
        # No message and no locals: either may hold something about the patient.
        frames = [f"{one.name}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)]
        log.warning("defect", task=hold.id, error=type(error).__name__, frames=frames[-8:])
        await give_back(place.queue, hold, Handback("waiting-to-retry"))


async def _work(place: Workplace, hold: Hold, started: datetime) -> None:
    rank = _RANK.get(str(hold.document.tree.get("priority")), 0)
    with place.precedence.under_way(rank):
        await _answer(place, hold, started, rank)


async def _answer(place: Workplace, hold: Hold, started: datetime, rank: int) -> None:
    fetched = asyncio.Event()
    begun = asyncio.create_task(_begin(place, hold, fetched))
    try:
        source = await source_of(place.client, hold.document)
        _require_one_patient(hold, source)
        seen = await _first_suitable(place, hold, source, rank, fetched)
        hold.at("report", 80)
        outputs = await place.processor.run(rank, _outputs, place, hold, source, seen, started)
    finally:
        fetched.set()
        await begun
    hold.check()
    async with place.storing.turn(rank):
        await complete(place.client, place.queue, hold, outputs)


async def _begin(place: Workplace, hold: Hold, fetched: asyncio.Event) -> None:
    """Says that the Task is in progress; where it is no longer ours, the work on it ends.

    It is said once the pixels are here, while they are decoded and the server has nothing else to do for this Task; where
    they take their time, at once.
    """
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(fetched.wait(), QUICK_FETCH_S)
    hold.heard(await place.queue.progress(hold, "fetch", 10))


@dataclass(frozen=True, slots=True)
class _Seen:
    """The image that the model answered for."""

    reading: Reading
    sop_instance_uid: str | None
    notes: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()


async def _first_suitable(
    place: Workplace, hold: Hold, source: Study | Picture, rank: int, fetched: asyncio.Event
) -> _Seen:
    """The first image of the source that the model may answer for; ``fetched`` is set when the first is here.

    Raises:
        Incomplete: the study is not all there.
        Unsuitable: the model may answer for none; the reason is the first image's.
        Failed: no image can be decoded.
    """
    analysis = ANALYSES[place.reader.manifest.analysis]
    refusals: list[InferenceError] = []
    files = await _files(place, source, analysis)
    for file in files[:MOST_IMAGES]:
        hold.at("fetch", 20)
        async with file.turns.turn(rank):
            data = await file.load()
        fetched.set()
        hold.at("predict", 50)
        try:
            image = await _viewed(place, data, rank)
            facts = await _facts(place, hold, source, file, image, analysis)
            submitted = place.reader.submit(image, facts, stat=hold.document.stat)
            prediction: Prediction = await submitted.predicted()
            reading = place.reader.conclude(submitted, prediction)
        except (Unsuitable, Failed) as refusal:
            refusals.append(refusal)
            continue
        notes: tuple[str, ...] = ()
        cautions: tuple[Caution, ...] = ()
        if len(files) > 1:
            notes = (f"The study holds {len(files)} images; one of them was read.",)
            cautions = (Caution("several-images", notes[0]),)
        return _Seen(reading, file.sop_instance_uid, notes, cautions)
    unsuitable = [one for one in refusals if isinstance(one, Unsuitable)]
    if unsuitable or refusals:
        raise (unsuitable or refusals)[0]
    raise Unsuitable("no-suitable-image", "The study holds no image that the model reads.")


async def _files(
    place: Workplace, source: Study | Picture, analysis: Analysis
) -> Sequence[Fetched]:
    if isinstance(source, Picture):
        return [await place.archives.picture(source)]
    archive = await place.archives.of(source)
    listed = source.listed or await archive.instances(source)
    require_complete(source, listed)
    return [archive.file(source, item) for item in candidates(analysis, listed)]


async def _viewed(place: Workplace, data: bytes | Path, rank: int) -> View:
    """What the file shows, decoded in a process of its own; a fetched file is removed.

    Raises:
        Failed: they cannot be decoded, or the decoder broke down over them.
    """
    try:
        async with place.processor.turn(rank):
            return await place.decoders.run(view_of, data, place.limits, place.reader.preprocessing)
    except ImageTooLarge as error:
        raise Failed("image-too-large", "The image is larger than this worker decodes.") from error
    except ImageError as error:
        raise Failed("pixels-unreadable", f"The image cannot be decoded ({error.code}).") from error
    finally:
        if isinstance(data, Path):
            # Nobody waits for it; what the worker leaves at its end goes with the folder.
            remove = partial(data.unlink, missing_ok=True)
            asyncio.get_running_loop().run_in_executor(None, remove)


async def _facts(
    place: Workplace,
    hold: Hold,
    source: Study | Picture,
    file: Fetched,
    image: View,
    analysis: Analysis,
) -> StudyFacts:
    """What the file says, and the study's and the patient's records where it is silent."""
    facts = image.facts
    age = None
    if facts.patient_age_years is None:
        at = source.started if isinstance(source, Study) else source.created
        age = await age_years(place.client, _patient(hold, source), at)
    listed = file.listed
    words = listed.body_words(analysis) if listed else ""
    return completed(facts, listed.modality if listed else "", words, age)


def _outputs(
    place: Workplace, hold: Hold, source: Study | Picture, seen: _Seen, started: datetime
) -> list[dict[str, Any]]:
    """Every resource that the answer leaves."""
    study = source if isinstance(source, Study) else None
    task = hold.document
    case = Case(
        task=hold.id,
        patient=_patient(hold, source),
        source=source.reference,
        study_instance_uid=study.uid if study else None,
        sop_instance_uid=seen.sop_instance_uid,
        study_started=study.started if study else None,
        accession=study.accession if study else None,
        based_on=_service_requests(task),
        encounter=_encounter(task),
    )
    result = Result(
        case=case,
        model=place.reader.model,
        findings=seen.reading.findings,
        explanation=place.reader.explain(seen.reading),
        started=started,
        finished=datetime.now(UTC),
        cautions=(*seen.reading.cautions, *seen.cautions),
        software=place.software,
        organization=place.organization,
        notes=seen.notes,
    )
    return resources(result)


def _require_one_patient(hold: Hold, source: Study | Picture) -> None:
    """Raises Failed where the Task is for another patient than the one in the pictures."""
    wanted = hold.document.reference("for")
    if wanted and source.subject and wanted != source.subject:
        text = "The Task is for another patient than its study is of."
        raise Failed("patient-mismatch", text)


def _patient(hold: Hold, source: Study | Picture) -> str | None:
    """Whom the pixels are of: the study says it; the Task only where the source is silent."""
    return source.subject or hold.document.reference("for")


def _service_requests(task: TaskDocument) -> tuple[str, ...]:
    based_on = task.tree.get("basedOn")
    references = [reference_of(item) for item in (based_on if isinstance(based_on, list) else [])]
    return tuple(one for one in references if one and one.startswith("ServiceRequest/"))


def _encounter(task: TaskDocument) -> str | None:
    reference = task.reference("encounter")
    return reference if reference and reference.startswith("Encounter/") else None


async def _end(place: Workplace, hold: Hold, error: InferenceError) -> None:
    """What an error means for the Task."""
    log.info(
        "not_completed",
        task=hold.id,
        error=type(error).__name__,
        category=error.category,
        code=getattr(error, "code", None),
    )
    try:
        match error:
            case Dropped():
                return
            case Unsuitable():
                await fail(place.client, place.queue, hold, "rejected", error.code, error.text)
            case Failed():
                await fail(place.client, place.queue, hold, "failed", error.code, error.text)
            case Incomplete():
                await give_back(place.queue, hold, Handback("waiting-for-instances", str(error)))
            case Changed():
                await give_back(place.queue, hold, Handback("study-changed", counts=False))
            case EngineError() if error.category != "transient":
                text = "The model failed on this input."
                await fail(place.client, place.queue, hold, "failed", "model-error", text)
            case _:
                await give_back(place.queue, hold, Handback("waiting-to-retry"))
    except (Dropped, Transient, Refused) as second:
        # The lease will run out and say the same, later.
        log.info("end_not_delivered", task=hold.id, error=type(second).__name__)


def _seconds_since(started: datetime) -> float:
    return round((datetime.now(UTC) - started).total_seconds(), 3)
