"""STOW-RS: what can be stored of a request is, study by study, and the answer says what became of each instance.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.5.html; failure reasons: PS3.4 table GG.4-1 and
PS3.7 annex C.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imaging.archive.attributes import Attributes, element, tag
from imaging.archive.errors import (
    ArchiveError,
    InstanceConflict,
    InvalidObject,
    MixedPatients,
    NotAllowed,
    PartError,
    StudyConflict,
)
from imaging.archive.ingest import (
    Archive,
    SubjectOf,
    check_one_patient,
    inspect_part,
    patient_of,
    store_files,
)
from imaging.archive.inspect import Described
from imaging.archive.plan import Incoming
from imaging.archive.staging import Part, StagedFile, discard, stage
from imaging.dicomweb.errors import BadRequest, UnsupportedBody
from imaging.dicomweb.multipart import MediaType, body_parts
from imaging.errors import ImageTooLarge, UnsupportedImage
from imaging.formats import Format

DICOM = "application/dicom"
_PROCESSING_FAILURE = 0x0110
_DUPLICATE_INSTANCE = 0x0111
_NOT_AUTHORIZED = 0x0124
_OUT_OF_RESOURCES = 0xA700
_DOES_NOT_MATCH = 0xA900
_CANNOT_UNDERSTAND = 0xC000
_TRANSFER_SYNTAX = 0xC122


@dataclass(slots=True)
class Outcome:
    """What has become of the instances so far."""

    stored: list[Incoming] = field(default_factory=list)
    failed: list[tuple[Incoming, int]] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    """Reasons for parts that do not even say which instance they are."""

    @property
    def status(self) -> int:
        """200 all stored, 202 some, 409 none (PS3.18 table 10.5.3-1)."""
        if not self.failed and not self.unreadable:
            return 200
        return 202 if self.stored else 409


async def request_parts(content_type: str, body: AsyncIterator[bytes]) -> AsyncIterator[Part]:
    """The DICOM objects of a request body, as they arrive.

    Raises:
        UnsupportedBody: neither multipart/related of application/dicom nor one application/dicom.
        BadRequest: the framing is broken.
    """
    media = MediaType.parse(content_type)
    if media.name == DICOM:
        yield Part(body, content_type=DICOM)
        return
    if media.name != "multipart/related" or media.parameters.get("type", DICOM).lower() != DICOM:
        raise UnsupportedBody('STOW-RS takes multipart/related; type="application/dicom"')
    boundary = media.parameters.get("boundary")
    if not boundary:
        raise BadRequest("the Content-Type has no boundary")
    async for part in body_parts(body, boundary):
        yield Part(part.chunks, content_type=part.content_type.name)


async def store_request(
    archive: Archive, parts: AsyncIterator[Part], subject_of: SubjectOf, study_uid: str | None
) -> Outcome:
    """Stores what can be stored; ``study_uid`` is that of the URL, which all instances must have.

    Raises:
        ArchiveError: the whole request is refused (empty, past a limit).
        StoreError: the store cannot write.
    """
    staged: list[StagedFile] = []
    outcome = Outcome()
    try:
        await stage(parts, Path(archive.store.blobs.staging()), archive.upload_limits, staged)
        studies: dict[str, list[Incoming]] = {}
        for file in staged:
            found = await _inspected(archive, file, outcome)
            if found is None:
                continue
            if study_uid is not None and found.uid("StudyInstanceUID") != study_uid:
                outcome.failed.append((found, _DOES_NOT_MATCH))
                continue
            studies.setdefault(found.uid("StudyInstanceUID"), []).append(found)
        for files in studies.values():
            await _store_study(archive, files, subject_of, outcome)
    finally:
        await asyncio.to_thread(discard, staged)
    return outcome


async def _inspected(archive: Archive, file: StagedFile, outcome: Outcome) -> Incoming | None:
    try:
        found = await inspect_part(file, Described(), archive.image_limits)
    except PartError as error:
        outcome.unreadable.append(_reason(error.cause))
        return None
    if found.format is not Format.DICOM:
        outcome.unreadable.append(_CANNOT_UNDERSTAND)
        return None
    return Incoming(file, found)


def _reason(cause: Exception) -> int:
    if isinstance(cause, ImageTooLarge):
        return _OUT_OF_RESOURCES
    if isinstance(cause, UnsupportedImage):
        return _TRANSFER_SYNTAX
    return _DOES_NOT_MATCH if isinstance(cause, InvalidObject) else _CANNOT_UNDERSTAND


async def _store_study(
    archive: Archive, files: list[Incoming], subject_of: SubjectOf, outcome: Outcome
) -> None:
    try:
        check_one_patient([file.inspected.patient for file in files])
        subject = await subject_of(patient_of([file.inspected for file in files]))
    except MixedPatients:
        outcome.failed += [(file, _DOES_NOT_MATCH) for file in files]
        return
    while files:
        try:
            await store_files(archive, files, subject)
        except InstanceConflict as conflict:
            outcome.failed += [
                (file, _DUPLICATE_INSTANCE) for file in files if file.staged.index == conflict.index
            ]
            files = [file for file in files if file.staged.index != conflict.index]
            continue
        except NotAllowed:
            outcome.failed += [(file, _NOT_AUTHORIZED) for file in files]
            return
        except StudyConflict:
            outcome.failed += [(file, _DOES_NOT_MATCH) for file in files]
            return
        except ArchiveError:
            outcome.failed += [(file, _PROCESSING_FAILURE) for file in files]
            return
        outcome.stored += files
        return


def answer(outcome: Outcome, base_url: str) -> Attributes:
    """The Store Instances Response (PS3.18 annex I.2)."""
    result: Attributes = {}
    studies = {file.uid("StudyInstanceUID") for file in outcome.stored}
    if len(studies) == 1:
        result[tag("RetrieveURL")] = element("UR", f"{base_url}/studies/{next(iter(studies))}")
    if outcome.stored:
        items = [_reference(file) | _retrieve_url(file, base_url) for file in outcome.stored]
        result[tag("ReferencedSOPSequence")] = {"vr": "SQ", "Value": items}
    if outcome.failed:
        failed = [_reference(file) | _failure(reason) for file, reason in outcome.failed]
        result[tag("FailedSOPSequence")] = {"vr": "SQ", "Value": failed}
    if outcome.unreadable:
        others = [_failure(reason) for reason in outcome.unreadable]
        result[tag("OtherFailuresSequence")] = {"vr": "SQ", "Value": others}
    return dict(sorted(result.items()))


def _reference(file: Incoming) -> dict[str, Any]:
    return {
        tag("ReferencedSOPClassUID"): element("UI", file.uid("SOPClassUID")),
        tag("ReferencedSOPInstanceUID"): element("UI", file.uid("SOPInstanceUID")),
    }


def _retrieve_url(file: Incoming, base_url: str) -> dict[str, Any]:
    study, series = file.uid("StudyInstanceUID"), file.uid("SeriesInstanceUID")
    path = f"{base_url}/studies/{study}/series/{series}/instances/{file.uid('SOPInstanceUID')}"
    return {tag("RetrieveURL"): element("UR", path)}


def _failure(reason: int) -> dict[str, Any]:
    return {tag("FailureReason"): element("US", reason)}
