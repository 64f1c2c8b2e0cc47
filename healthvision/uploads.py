"""Where the image archive meets FHIR: an upload's ImagingStudies go through the same checks as any resource, and a study
is there for whoever sees its ImagingStudy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson

from fhir_api.access import Authenticate, Caller, Forbidden, Interaction, decide
from fhir_api.api import Api
from fhir_api.errors import FhirError
from fhir_api.interactions.write import Change, save
from fhir_api.search.normalise import normalise
from fhir_api.visibility import sees, visible
from fhir_api.visibility.conditions import READ, SEARCHED, UPDATED
from fhir_api.visibility.writing import may_concern, require_may_store
from imaging.archive.errors import NotAllowed
from imaging.archive.ingest import Archive, Rebuild
from imaging.archive.inspect import PatientFacts
from imaging.archive.plan import imaging_study_of
from imaging.archive.records import IMAGING_STUDY
from imaging.archive.staging import UploadLimits
from imaging.dicomweb.errors import Refused
from imaging.dicomweb.handlers import Action, Admit, Admitted
from store.interface import Write
from store.query import Condition, Query, RefersTo, TokenIs

_ASKED: Final = {
    Action.SEARCH: (Interaction.SEARCH, SEARCHED),
    Action.READ: (Interaction.READ, READ),
}


def archive_of(api: Api, upload_limit_bytes: int, by: Caller) -> Archive:
    """The archive as one caller stores in it; studies and their ImagingStudies land in one commit."""

    async def save_upload(rebuild: Rebuild) -> None:
        async def changes() -> tuple[Sequence[Change], Sequence[Write]]:
            plan = await rebuild()
            return [Change(study.resource, study.current) for study in plan.studies], plan.writes

        try:
            await save(api, changes, by=by, base_url=api.options.base_url)
        except Forbidden as error:
            raise NotAllowed from error

    return Archive(
        store=api.store,
        save=save_upload,
        allow=partial(_allow, api, by),
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


async def _allow(api: Api, by: Caller, study_uid: str, subject: dict[str, Any]) -> None:
    """Raises NotAllowed where the ImagingStudy that is there, or that would be made, is not the caller's to write."""
    if by.scopes is None:
        return
    current = await imaging_study_of(api.store, study_uid)
    if current is None:
        allowed = may_concern(api, by, IMAGING_STUDY, "c", subject)
    else:
        allowed = await sees(api, by, current, UPDATED)
    if not allowed:
        raise NotAllowed


def admission(
    api: Api, authenticate: Authenticate, archive_for: Callable[[Caller], Archive]
) -> Admit:
    """DICOMweb's question to the access decision: a study is its ImagingStudy."""

    async def admit(headers: Mapping[str, str], action: Action) -> Admitted:
        try:
            caller = await authenticate(headers)
            if action is Action.STORE:
                require_may_store(caller, IMAGING_STUDY)
                return Admitted(archive_for(caller))
            interaction, letters = _ASKED[action]
            decide(caller, interaction, IMAGING_STUDY)
            seen = visible(api, caller, IMAGING_STUDY, letters)
        except FhirError as error:
            raise Refused(error.category, error.text, dict(error.headers)) from None
        where: tuple[Condition, ...] = ()
        if seen:
            where = (RefersTo(IMAGING_STUDY, IMAGING_STUDY, seen),)
        return Admitted(archive_for(caller), where)

    return admit
