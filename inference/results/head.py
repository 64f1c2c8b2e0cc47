"""What every result resource says in the same words."""

from __future__ import annotations

from typing import Any

from inference.results import codes
from inference.results.case import Result
from inference.results.identity import result_id, result_uid


def labelled(result: Result, type: str, role: str) -> dict[str, Any]:
    """The head of a result resource: its deterministic id, the AIAST label and an identifier that says both."""
    task = result.case.task
    head: dict[str, Any] = {
        "resourceType": type,
        "id": result_id(task, role),
        "meta": {"security": [codes.AIAST]},
        "identifier": [{"system": codes.IDENTIFIERS, "value": f"{task}/{role}"}],
    }
    if type == "Media":
        uid = {"system": "urn:dicom:uid", "value": f"urn:oid:{result_uid(task, role)}"}
        head["identifier"].append(uid)
    return head


def about(result: Result) -> dict[str, Any]:
    """Whom the result is about and what it answers."""
    case = result.case
    return {
        "basedOn": [{"reference": reference} for reference in case.based_on],
        "subject": {"reference": case.patient} if case.patient else None,
        "encounter": {"reference": case.encounter} if case.encounter else None,
    }
