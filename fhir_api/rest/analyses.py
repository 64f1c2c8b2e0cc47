"""Analyses and batches: Tasks, in fewer words."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_api.rest.core import Core
from fhir_api.rest.problems import Problem, ProblemPart
from fhir_api.rest.schemas import (
    Analysis,
    AnalysisOrder,
    AnalysisReport,
    Batch,
    BatchOrder,
    Finding,
    Priority,
)
from fhir_api.tasks.progress import PERCENT_URL, STAGE_SYSTEM
from terminology.analyses import ANALYSES, ANALYSIS_SYSTEM, analysis_of_study

IDEMPOTENCY_SYSTEM = "urn:healthvision:idempotency-key"
BATCH_SYSTEM = "urn:healthvision:batch"
AI_CONFIDENCE = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/AIconfidence"
FINISHED = frozenset({"completed", "failed", "rejected", "cancelled", "entered-in-error"})
PAGE = 500


async def order_analysis(
    core: Core, order: AnalysisOrder, idempotency_key: str | None
) -> tuple[Analysis, bool]:
    """Posts the Task; the second value is False where the same key had already made one.

    Raises:
        Problem: the study is unknown, or nothing here can analyse it.
    """
    task = await _task_for(core, order, "study")
    headers: dict[str, str] = {}
    if idempotency_key:
        # Hashed: a client's key may be of any length and content, an identifier in a search may not.
        value = hashlib.sha256(f"{core.caller.id}\n{idempotency_key}".encode()).hexdigest()
        task["identifier"] = [{"system": IDEMPOTENCY_SYSTEM, "value": value}]
        headers["if-none-exist"] = f"identifier={IDEMPOTENCY_SYSTEM}|{value}"
    stored, created = await core.create(task, headers)
    return await _analysis_of(core, stored), created


async def read_analysis(core: Core, id: str) -> Analysis:
    """The analysis with its report, if it has one.

    Raises:
        Problem: there is no such Task, or it is not one that we do.
    """
    return await _analysis_of(core, await core.read(f"Task/{id}"))


async def order_batch(core: Core, order: BatchOrder) -> Batch:
    """Posts all Tasks in one transaction."""
    id = str(uuid.uuid4())
    entries = []
    for number, one in enumerate(order.analyses):
        task = await _task_for(core, one, f"analyses.{number}.study")
        task["groupIdentifier"] = {"system": BATCH_SYSTEM, "value": id}
        entries.append(
            {
                "fullUrl": f"urn:uuid:{uuid.uuid4()}",
                "resource": task,
                "request": {"method": "POST", "url": "Task"},
            }
        )
    await core.transaction(entries)
    return await read_batch(core, id)


async def read_batch(core: Core, id: str) -> Batch:
    """Where the Tasks of a batch stand.

    Raises:
        Problem: there is no such batch.
    """
    found = await core.search(
        "Task",
        {"group-identifier": f"{BATCH_SYSTEM}|{id}", "_count": str(PAGE), "_elements": "status"},
    )
    tasks = [entry["resource"] for entry in found.get("entry", [])]
    if not tasks:
        raise Problem(404, "There is no batch with this id.")
    by_status = Counter(str(task["status"]) for task in tasks)
    finished = sum(count for status, count in by_status.items() if status in FINISHED)
    return Batch(
        id=id,
        total=len(tasks),
        finished=finished,
        percent=round(100 * finished / len(tasks), 1),
        by_status=dict(by_status),
        analyses=[str(task["id"]) for task in tasks],
    )


async def _task_for(core: Core, order: AnalysisOrder, where: str) -> dict[str, Any]:
    try:
        study = await core.read(order.study)
    except Problem as problem:
        if problem.status not in {404, 410}:
            raise
        raise Problem(
            422,
            "The study does not exist.",
            [ProblemPart(where=where, message="No such ImagingStudy.")],
        ) from None
    analysis = ANALYSES.get(order.analysis) if order.analysis else analysis_of_study(study)
    if analysis is None:
        sentence = (
            "There is no such analysis."
            if order.analysis
            else "No analysis fits the modality and body part of this study; name one to have it tried."
        )
        raise Problem(422, sentence, [ProblemPart(where=where, message=sentence)])
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "priority": order.priority.value,
        "code": {
            "coding": [
                {"system": ANALYSIS_SYSTEM, "code": analysis.code, "display": analysis.display}
            ]
        },
        "focus": {"reference": order.study},
        "for": study["subject"],
        "authoredOn": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


async def _analysis_of(core: Core, task: Mapping[str, Any]) -> Analysis:
    study = (task.get("focus") or {}).get("reference")
    codings = (task.get("code") or {}).get("coding") or []
    if not study or not (any(c.get("system") == ANALYSIS_SYSTEM for c in codings) or not codings):
        raise Problem(404, "There is no analysis with this id.")
    stage, percent = _progress(task.get("businessStatus") or {})
    return Analysis(
        id=task["id"],
        task=core.url(f"Task/{task['id']}"),
        study=study,
        priority=Priority(task.get("priority", "routine")),
        status=task["status"],
        status_reason=_words(task.get("statusReason")),
        stage=stage,
        percent=percent,
        authored_on=task.get("authoredOn"),
        last_updated=task["meta"]["lastUpdated"],
        report=await _report_of(core, task),
    )


async def _report_of(core: Core, task: Mapping[str, Any]) -> AnalysisReport | None:
    reference = next(
        (
            output["valueReference"]["reference"]
            for output in task.get("output", [])
            if output.get("valueReference", {}).get("reference", "").startswith("DiagnosticReport/")
        ),
        None,
    )
    if reference is None:
        return None
    report = await core.read(reference)
    observations = [await core.read(result["reference"]) for result in report.get("result", [])]
    return AnalysisReport(
        url=core.url(reference),
        html=f"{core.site_url}/reports/{report['id']}",
        status=report["status"],
        conclusion=report.get("conclusion"),
        findings=[_finding(core, observation) for observation in observations],
    )


def _finding(core: Core, observation: Mapping[str, Any]) -> Finding:
    confidence = next(
        (
            one.get("valueDecimal")
            for one in observation.get("extension", [])
            if one.get("url") == AI_CONFIDENCE
        ),
        None,
    )
    return Finding(
        observation=core.url(f"Observation/{observation['id']}"),
        name=_words(observation.get("code")) or "",
        presence=_words(observation.get("valueCodeableConcept")),
        probability=confidence,
        notes=[note["text"] for note in observation.get("note", [])],
    )


def _words(concept: Mapping[str, Any] | None) -> str | None:
    """A CodeableConcept in words: its text, else the display or code of its first coding."""
    if not concept:
        return None
    first: Mapping[str, Any] = next(iter(concept.get("coding", [])), {})
    return concept.get("text") or first.get("display") or first.get("code")


def _progress(concept: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """Stage and percent of a ``businessStatus`` that a worker's progress report made."""
    stage = next(
        (c["code"] for c in concept.get("coding", []) if c.get("system") == STAGE_SYSTEM), None
    )
    percent = next(
        (
            one["valueInteger"]
            for one in concept.get("extension", [])
            if one.get("url") == PERCENT_URL
        ),
        None,
    )
    return stage, percent
