"""Who made the results from what: the AI-Provenance profile of HL7 AI Transparency on FHIR."""

from __future__ import annotations

from typing import Any

from inference.results import codes, wording
from inference.results.authored import authored, reference
from inference.results.case import Result
from inference.results.identity import result_id
from inference.results.narrative import narrative

_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def provenance(result: Result, targets: list[dict[str, Any]]) -> dict[str, Any]:
    """One Provenance over every output: the model's Device as author, the study as source, the card beside it."""
    model = result.model
    return authored(
        {
            "resourceType": "Provenance",
            "id": result_id(result.case.task, "provenance"),
            "meta": {
                "profile": [f"{codes.TRANSPARENCY}/StructureDefinition/AI-Provenance"],
                "security": [codes.AIAST],
            },
            "text": narrative(
                f"Made by an AI model, {wording.model_words(result)}, run by {result.software}. "
                f"{wording.UNREVIEWED}"
            ),
            "target": [reference(target) for target in targets],
            "occurredPeriod": {
                "start": result.started.isoformat(timespec="milliseconds"),
                "end": result.finished.isoformat(timespec="milliseconds"),
            },
            "recorded": result.finished.isoformat(timespec="milliseconds"),
            "reason": [{"coding": [codes.AIAST]}],
            "agent": [
                {
                    "type": codes.concept(_PARTICIPANT, "author"),
                    "role": [codes.ARTIFICIAL_INTELLIGENCE],
                    "who": {"reference": f"Device/{model.device}"},
                },
                {
                    "type": codes.concept(_PARTICIPANT, "assembler", "Assembler"),
                    "who": {"display": result.software},
                },
            ],
            "entity": [
                {"role": "source", "what": {"reference": result.case.source}},
                {"role": "derivation", "what": {"reference": f"DocumentReference/{model.card}"}},
            ],
        }
    )
