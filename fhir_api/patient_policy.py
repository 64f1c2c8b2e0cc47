"""What an app in the context of one patient sees of each resource type: ADR 15.

The patient compartment says it of most (https://hl7.org/fhir/R4/compartmentdefinition-patient.html); the tables here say
it of the others, and where the compartment would show what concerns several patients. A type that stands in none of
them is not seen.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import cache
from typing import Final

from fhir_api.definitions.compartments import COMPARTMENTS
from fhir_api.roles import ALL, CONFORMANCE, NOTHING, READ

PATIENT: Final = "Patient"


class Policy(Enum):
    OWN = auto()
    """The one Patient in context; not whom ``Patient.link`` names."""
    COMPARTMENT = auto()
    """What is in the patient's compartment."""
    FOR = auto()
    """Task: what is done for the patient (``Task.for``)."""
    DEVICE = auto()
    """Devices that name no patient, as models and scanners do, and those that name this one."""
    BINARY = auto()
    """Bytes: what a resource that is seen stands for, or holds a link to."""
    SHARED = auto()
    """Directories and knowledge, which concern no patient: read, never written."""
    HIDDEN = auto()
    """Whatever may concern several patients, or none that anybody can tell."""


MIXED: Final = frozenset({"AuditEvent", "Basic", "Group"})
"""In the compartment by R4's table, and hidden: a Group names its other members, a Basic is about anything."""

SHARED: Final = CONFORMANCE | {
    "CatalogEntry",
    "DeviceDefinition",
    "EffectEvidenceSynthesis",
    "Endpoint",
    "Evidence",
    "EvidenceVariable",
    "HealthcareService",
    "InsurancePlan",
    "Location",
    "MedicationKnowledge",
    "Medication",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "Organization",
    "OrganizationAffiliation",
    "Practitioner",
    "PractitionerRole",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "RiskEvidenceSynthesis",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
}


@cache
def policy_of(type: str) -> Policy:
    if type == PATIENT:
        return Policy.OWN
    if type == "Task":
        return Policy.FOR
    if type == "Device":
        return Policy.DEVICE
    if type == "Binary":
        return Policy.BINARY
    if type in SHARED:
        return Policy.SHARED
    if type in COMPARTMENTS[PATIENT] and type not in MIXED:
        return Policy.COMPARTMENT
    return Policy.HIDDEN


_LETTERS: Final = {
    Policy.OWN: frozenset("ruds"),
    Policy.COMPARTMENT: ALL,
    Policy.FOR: ALL,
    Policy.DEVICE: READ,
    # Who may see a Binary is asked of one at a time: a search would ask it of all.
    Policy.BINARY: frozenset("crud"),
    Policy.SHARED: READ,
    Policy.HIDDEN: NOTHING,
}


def letters_in_context(type: str) -> frozenset[str]:
    """What a scope can grant of a type at the most in the context of a patient; '' is the system."""
    return ALL if type == "" else _LETTERS[policy_of(type)]
