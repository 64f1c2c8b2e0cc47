"""The patient's age at the examination, where the image file does not say it."""

from __future__ import annotations

from datetime import date

from inference.client import FhirClient
from inference.errors import Refused


async def age_years(client: FhirClient, patient: str | None, at: str | None) -> float | None:
    """Years between ``Patient.birthDate`` and a FHIR dateTime; None where either is not known to the year.

    Only the birth date is asked for (``_elements``). A birth date to the year counts from its middle.
    """
    born_and_at = (await _birth_date(client, patient), _day(at))
    born, day = born_and_at
    if born is None or day is None or day < born:
        return None
    return (day - born).days / 365.25


async def _birth_date(client: FhirClient, patient: str | None) -> date | None:
    type, _, id = (patient or "").partition("/")
    if type != "Patient":
        return None
    try:
        found = await client.search("Patient", {"_id": id, "_elements": "birthDate"})
    except Refused:
        return None
    entries = found.get("entry", [])
    return _day(entries[0]["resource"].get("birthDate")) if entries else None


def _day(text: str | None) -> date | None:
    """The day of a FHIR date or dateTime; the middle of the year or month where it is no more exact."""
    try:
        match (text or "").partition("T")[0].split("-"):
            case [year, month, day]:
                return date(int(year), int(month), int(day))
            case [year, month]:
                return date(int(year), int(month), 15)
            case [year] if year:
                return date(int(year), 7, 1)
    except ValueError:
        return None
    return None
