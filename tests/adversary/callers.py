"""Callers none of whom may see the second patient, each by another reason."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from fhir_api.access import Caller
from tests.fhir_api.visibility.callers import app

LOINC = "http://loinc.org|8867-4"

FIXED: tuple[tuple[str, dict[str, str]], ...] = (
    ("patient/*.cruds", {}),
    ("patient/*.rs", {}),
    ("patient/*.read", {}),
    ("patient/*.* launch/patient openid fhirUser offline_access", {}),
    ("patient/*.r", {}),
    ("patient/*.s", {}),
    ("patient/*.cu", {}),
    ("patient/*.ds", {}),
    ("patient/*.cruds", {"roles": "clinician radiologist"}),
    (
        "patient/*.rs user/Organization.rs user/Practitioner.rs user/Location.rs",
        {"roles": "clinician"},
    ),
    (f"patient/Observation.rs?code={LOINC} patient/Patient.r", {}),
    (f"patient/Observation.cruds?code={LOINC} patient/*.r", {}),
    ("patient/Observation.rs?status=final patient/Observation.s?status=preliminary", {}),
    ("patient/ImagingStudy.rs patient/Task.cruds patient/Binary.cruds patient/Media.cruds", {}),
    ("patient/DiagnosticReport.rs patient/Binary.r", {}),
    ("patient/Patient.rs", {}),
    ("patient/Device.rs patient/Provenance.rs patient/List.rs", {}),
    ("user/*.cruds", {"user": "Patient/a"}),
    ("user/*.rs", {"user": "Patient/a", "patient": ""}),
    ("user/*.cruds patient/*.cruds system/*.cruds", {"user": "Patient/a", "roles": "clinician"}),
    ("user/Patient.rs user/Observation.rs user/Task.rs", {"roles": "auditor", "patient": ""}),
    ("user/Observation.rs?patient=Patient/a", {"roles": "clinician", "patient": ""}),
    ("user/Observation.rs?subject=Patient/a user/Patient.rs?_id=a", {"roles": "clinician"}),
    ("user/Task.cruds?patient=a user/Media.rs?patient=a", {"roles": "radiologist", "patient": ""}),
    ("system/*.cruds", {}),
    ("openid launch/patient", {"roles": "operator clinician"}),
    ("patient/*.cruds", {"patient": ""}),
    ("patient/*.cruds", {"user": "Patient/b", "patient": "a"}),
)
"""Scopes, and what of the Caller is not as in a launch on patient ``a`` by a Practitioner without a role."""

TYPES = ("Patient", "Observation", "ImagingStudy", "Task", "Binary", "Media", "DiagnosticReport", "Device", "Encounter", "*")  # fmt: skip
RESTRICTIONS = ("", "", "", f"?code={LOINC}", "?status=final", "?_id=o-a", "?identifier=urn:mrn|x", "?_lastUpdated=gt2020", "?nonsense=1", "?subject:Patient.name=Z")  # fmt: skip


WIDEST = 5
"""How many of them, from the first on, may do the most: they find whatever leaks at all."""


def at_random(random: Random) -> Iterator[Caller]:
    """Callers without end: a half of them those that may do the most, each of the others in turn, some made up."""
    callers = [app(scopes, **members) for scopes, members in FIXED]
    while True:
        for caller in callers:
            yield random.choice(callers[:WIDEST])
            yield caller
            if random.random() < 0.3:
                yield random_app(random)


def random_app(random: Random) -> Caller:
    """An app on patient ``a`` with scopes at random."""
    scopes = [
        f"patient/{random.choice(TYPES)}."
        + ("".join(c for c in "cruds" if random.random() < 0.7) or "r")
        + random.choice(RESTRICTIONS)
        for _ in range(random.randint(1, 4))
    ]
    return app(" ".join(scopes), roles=random.choice(("", "clinician", "auditor")))
