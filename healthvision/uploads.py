"""Where the image archive meets FHIR: an upload's ImagingStudies go through the same checks as any resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from fhir_api.access import OURSELVES, Authenticate, Interaction, decide
from fhir_api.api import Api
from fhir_api.errors import FhirError
from fhir_api.interactions.write import Change, save
from fhir_api.search.normalise import normalise
from imaging.archive.ingest import Archive, Rebuild
from imaging.archive.inspect import PatientFacts
from imaging.archive.staging import UploadLimits
from imaging.dicomweb.errors import Refused
from imaging.dicomweb.handlers import Action, Admit
from store.interface import Write
from store.query import Query, TokenIs


def archive_of(api: Api, upload_limit_bytes: int) -> Archive:
    """The archive of this deployment; its studies and their ImagingStudies land in one commit."""

    async def save_upload(rebuild: Rebuild) -> None:
        async def changes() -> tuple[Sequence[Change], Sequence[Write]]:
            plan = await rebuild()
            return [Change(study.resource, study.current) for study in plan.studies], plan.writes

        await save(api, changes, by=OURSELVES)

    return Archive(
        store=api.store,
        save=save_upload,
        clock=api.clock,
        upload_limits=UploadLimits(
            max_file_bytes=upload_limit_bytes, max_total_bytes=upload_limit_bytes
        ),
    )


async def subject_named_in_files(api: Api, patient: PatientFacts) -> dict[str, Any]:
    """The Reference for the patient that DICOM files name, for uploads that name none themselves (STOW-RS).

    The one Patient who has that identifier and the same family name or birth date: another hospital's 123 is another
    person. Where there is not just one, a logical reference: who it is then remains for a person to decide.
    """
    if not patient.id:
        return {"type": "Patient", "display": "not named in the images"}
    found = await api.store.search(
        Query("Patient", (TokenIs("identifier", None, patient.id),), limit=20)
    )
    same = [
        hit.version.id for hit in found.hits if _agrees(orjson.loads(hit.version.content), patient)
    ]
    if len(same) == 1 and not found.more:
        return {"reference": f"Patient/{same[0]}"}
    identifier: dict[str, Any] = {"value": patient.id}
    if patient.issuer:
        identifier["assigner"] = {"display": patient.issuer}
    return {"type": "Patient", "identifier": identifier}


def _agrees(stored: dict[str, Any], patient: PatientFacts) -> bool:
    """Whether a Patient has the family name or the birth date that the files give."""
    if patient.birth_date and stored.get("birthDate", "").replace("-", "") == patient.birth_date:
        return True
    families = {normalise(name.get("family", "")) for name in stored.get("name", [])}
    return bool(patient.name) and normalise(patient.name.partition("^")[0]) in families - {""}


def admission(authenticate: Authenticate) -> Admit:
    """DICOMweb's question to the access decision: who reads or stores an ImagingStudy."""

    async def admit(headers: Mapping[str, str], action: Action) -> None:
        interaction = Interaction.READ if action is Action.READ else Interaction.CREATE
        try:
            decide(await authenticate(headers), interaction, "ImagingStudy")
        except FhirError as error:
            raise Refused(error.category, error.text, dict(error.headers)) from None

    return admit
