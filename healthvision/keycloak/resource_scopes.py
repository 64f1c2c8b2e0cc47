"""The SMART scopes that a realm knows: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html

Keycloak grants a scope only where a client scope of just this name exists; it has no wildcards. All there are would be
13,857 of version 2 alone (149 types, 3 levels, 31 sets of interactions), which no Keycloak's console or discovery
document stands. So: for every level, ``*`` with every set and version 1's words; and each of the types that imaging and its
apps ask for with each single interaction, with ``rs`` and with ``cruds``. Single interactions together say any set: that is
what our server asks Keycloak for where it does not know a set (``fhir_api/smart/granting.py``), and it narrows what has a
search restriction (``?…``) itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

LEVELS = ("patient", "user", "system")
LETTERS = "cruds"
EVERY_SET = tuple(
    "".join(chosen) for size in range(1, len(LETTERS) + 1) for chosen in combinations(LETTERS, size)
)
USUAL_SETS = (*LETTERS, "rs", "cruds")
VERSION_1 = ("read", "write", "*")

TYPES = (
    "AllergyIntolerance",
    "Appointment",
    "AuditEvent",
    "Binary",
    "CarePlan",
    "CareTeam",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Endpoint",
    "Goal",
    "Group",
    "ImagingStudy",
    "Immunization",
    "Location",
    "Media",
    "Medication",
    "MedicationRequest",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
    "Subscription",
    "Task",
)
"""What imaging works with, and what apps by the US Core and IPS profiles read beside it."""


def resource_scopes(level: str, types: Iterable[str] = TYPES) -> Iterator[str]:
    """The scopes of one level: ``*`` and each of the types."""
    for interactions in (*EVERY_SET, *VERSION_1):
        yield f"{level}/*.{interactions}"
    for type in types:
        for interactions in USUAL_SETS:
            yield f"{level}/{type}.{interactions}"
