"""When the care happened that a resource of a patient's record tells of, by its search parameters.

``$everything`` is cut by these, "the care dates, not the record currency dates":
https://hl7.org/fhir/R4/patient-operation-everything.html. What has no such date belongs to every period.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from store.query import AnyOf, Compare, Condition, DateIs, Not, Present

CARE_DATES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # Where care begins and where it ends are two parameters of a Condition; mostly they are one.
        "Condition": ("onset-date", "abatement-date"),
    }
    | {
        type: (code, code)
        for type, code in {
            "Account": "period",
            "AdverseEvent": "date",
            "Appointment": "date",
            "AuditEvent": "date",
            "CarePlan": "date",
            "CareTeam": "date",
            "ChargeItem": "occurrence",
            "Claim": "created",
            "ClaimResponse": "created",
            "ClinicalImpression": "date",
            "Communication": "sent",
            "CommunicationRequest": "occurrence",
            "Composition": "period",
            "Consent": "period",
            "DetectedIssue": "identified",
            "DeviceRequest": "event-date",
            "DiagnosticReport": "date",
            "DocumentReference": "period",
            "Encounter": "date",
            "EpisodeOfCare": "date",
            "ExplanationOfBenefit": "created",
            "FamilyMemberHistory": "date",
            "Flag": "date",
            "Goal": "start-date",
            "ImagingStudy": "started",
            "Immunization": "date",
            "ImmunizationEvaluation": "date",
            "ImmunizationRecommendation": "date",
            "Invoice": "date",
            "List": "date",
            "MeasureReport": "period",
            "Media": "created",
            "MedicationAdministration": "effective-time",
            "MedicationDispense": "whenhandedover",
            "MedicationRequest": "date",
            "MedicationStatement": "effective",
            "NutritionOrder": "datetime",
            "Observation": "date",
            "Procedure": "date",
            "Provenance": "when",
            "QuestionnaireResponse": "authored",
            "RequestGroup": "authored",
            "RiskAssessment": "date",
            "ServiceRequest": "occurrence",
            "Specimen": "collected",
            "SupplyRequest": "date",
            "VisionPrescription": "datewritten",
        }.items()
    }
)
"""Type → the date parameters at which its care begins and ends."""


def within(type: str, from_us: int | None, until_us: int | None) -> tuple[Condition, ...]:
    """What a ``type`` meets whose care is, in part at least, in [from_us, until_us); None: open."""
    if type not in CARE_DATES:
        return ()
    begins, ends = CARE_DATES[type]
    met: list[Condition] = []
    if from_us is not None:
        met.append(_if_dated(ends, DateIs(ends, Compare.GT, from_us, from_us)))
    if until_us is not None:
        met.append(_if_dated(begins, DateIs(begins, Compare.LT, until_us, until_us)))
    return tuple(met)


def _if_dated(param: str, condition: DateIs) -> Condition:
    return AnyOf((Not(Present(param)), condition))
