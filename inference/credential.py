"""What a worker may ask for: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html"""

from __future__ import annotations

RESULT_TYPES = (
    "Binary",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Media",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Provenance",
    "Task",
)
"""What an analysis leaves behind: its results, who and what made them, and the Task."""

WORKER_SCOPES = ("system/*.rs", *(f"system/{type}.cu" for type in RESULT_TYPES))
"""Reads whatever a study may lead to; writes results and nothing else; deletes nothing."""
