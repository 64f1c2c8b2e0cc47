"""What each role may do with each resource type, whatever scopes an app holds: a token's scopes never add to it.

Letters are those of SMART v2 scopes ('cruds'): create, read, update, delete, search
(https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html). The table is explained in ADR 15.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

NOTHING: Final[frozenset[str]] = frozenset()
READ: Final = frozenset("rs")
ALL: Final = frozenset("cruds")

AUDIT: Final = "AuditEvent"
"""Read by auditors and nobody else; written by the server, and created by services whose scope names the type."""

APPENDED: Final = frozenset("c")
"""What such a scope grants: nobody changes or deletes AuditEvents."""

CONFORMANCE: Final = frozenset(
    {
        "ActivityDefinition",
        "CapabilityStatement",
        "ChargeItemDefinition",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "EventDefinition",
        "ExampleScenario",
        "GraphDefinition",
        "ImplementationGuide",
        "Library",
        "Measure",
        "MessageDefinition",
        "NamingSystem",
        "ObservationDefinition",
        "OperationDefinition",
        "PlanDefinition",
        "Questionnaire",
        "SearchParameter",
        "SpecimenDefinition",
        "StructureDefinition",
        "StructureMap",
        "TerminologyCapabilities",
        "ValueSet",
    }
)
"""What the server or others work by: only an operator changes it."""

WORKER_WRITES: Final = frozenset(
    {
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
    }
)
"""What a worker creates and updates: the results of an analysis, who and what made them, and the Task."""

AUDITED: Final = frozenset(
    {
        "Device",
        "Endpoint",
        "Location",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Provenance",
    }
)
"""What an auditor reads beside AuditEvents: who acted, and with what. No patient's record."""


@lru_cache(maxsize=4096)
def letters_of_roles(roles: frozenset[str], type: str) -> frozenset[str]:
    """What somebody with these roles may do with a ``type``; '' is the system, where each type is asked for again."""
    if type == "":
        return ALL if roles & _ROLES.keys() else NOTHING
    if type == AUDIT:
        return READ if "auditor" in roles else NOTHING
    return NOTHING.union(*(_ROLES[role](type) for role in roles if role in _ROLES))


def _operator(_type: str) -> frozenset[str]:
    return ALL


def _worker(type: str) -> frozenset[str]:
    return READ | frozenset("cu") if type in WORKER_WRITES else READ


def _clinician(type: str) -> frozenset[str]:
    return READ if type in CONFORMANCE else ALL


def _auditor(type: str) -> frozenset[str]:
    return READ if type in AUDITED | CONFORMANCE else NOTHING


_ROLES: Final = {
    "operator": _operator,
    "worker": _worker,
    "clinician": _clinician,
    "radiologist": _clinician,
    "auditor": _auditor,
}

ROLES: Final = frozenset(_ROLES)
"""Every role that there is."""
