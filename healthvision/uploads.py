"""Where the image archive meets FHIR: an upload's ImagingStudies go through the same checks as any resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_api.api import Api
from fhir_api.interactions.write import Change, save
from imaging.archive.ingest import Archive, Rebuild
from imaging.archive.inspect import PatientFacts
from imaging.archive.staging import UploadLimits
from store.interface import Write
from store.query import Query, TokenIs


def archive_of(api: Api, upload_limit_bytes: int) -> Archive:
    """The archive of this deployment; its studies and their ImagingStudies land in one commit."""

    async def save_upload(rebuild: Rebuild) -> None:
        async def changes() -> tuple[Sequence[Change], Sequence[Write]]:
            plan = await rebuild()
            return [Change(study.resource, study.current) for study in plan.studies], plan.writes

        await save(api, changes)

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

    The one Patient with that identifier; where there is none or more than one, a logical reference: who it is then
    remains for a person to decide.
    """
    if not patient.id:
        return {"type": "Patient", "display": "not named in the images"}
    found = await api.store.search(
        Query("Patient", (TokenIs("identifier", None, patient.id),), limit=2)
    )
    if len(found.hits) == 1 and not found.more:
        return {"reference": f"Patient/{found.hits[0].version.id}"}
    identifier = {
        "value": patient.id,
        **({"assigner": {"display": patient.issuer}} if patient.issuer else {}),
    }
    return {"type": "Patient", "identifier": identifier}
