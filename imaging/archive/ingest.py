"""Taking an upload in: stream, inspect, decide, one commit. All of it is stored, or nothing is.

    parts ──stage──▶ files ──inspect (thread)──▶ attributes ──plan (reads the store)──▶ writes ──save──▶ one commit

``save`` is the FHIR side's: it puts the ImagingStudies through the same checks as any other resource and commits them
with the archive's records. It may ask for the plan again when somebody else's write came first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imaging.archive.attributes import element, tag
from imaging.archive.errors import ArchiveError, MixedPatients, PartError
from imaging.archive.inspect import Described, Inspected, PatientFacts, derived_uid, inspect
from imaging.archive.plan import Incoming, Plan, PlannedStudy, plan_upload
from imaging.archive.staging import Part, StagedFile, UploadLimits, discard, stage
from imaging.errors import ImageError
from imaging.formats import Format, Limits
from store.interface import Store

Rebuild = Callable[[], Awaitable[Plan]]
Save = Callable[[Rebuild], Awaitable[None]]
Allow = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Given a Study Instance UID and the Reference for its patient, returns where it may be stored; raises NotAllowed."""
SubjectOf = Callable[[PatientFacts], Awaitable[dict[str, Any]]]
"""The FHIR Reference for the patient whom the files name."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where one caller's uploads go, and how."""

    store: Store
    save: Save
    """Holds the ImagingStudies against what the caller may write; raises NotAllowed."""
    allow: Allow
    """Asked before anything is compared with what is stored, so that no conflict tells of a study that is not theirs."""
    clock: Callable[[], int]
    """Microseconds since 1970."""
    upload_limits: UploadLimits = field(default_factory=UploadLimits)
    image_limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an upload became. ``studies`` in the order of the files; most uploads have one."""

    studies: tuple[PlannedStudy, ...]


async def ingest(
    archive: Archive,
    parts: AsyncIterator[Part],
    subject_of: SubjectOf,
    described: Callable[[], Described] = Described,
) -> Ingested:
    """Stores the files of one patient and makes or completes their ImagingStudies.

    Files that are stored already, byte for byte, do no harm.

    ``described`` tells what the sender says of files that are not DICOM; it is asked when all parts have arrived.

    Raises:
        ArchiveError: what is wrong with the upload; of one file: PartError. Nothing is stored.
        StoreError: the store cannot write. Nothing is stored.
    """
    staged: list[StagedFile] = []
    try:
        await stage(parts, Path(archive.store.blobs.staging()), archive.upload_limits, staged)
        said = described()
        found = [await inspect_part(file, said, archive.image_limits) for file in staged]
        check_one_patient([inspected.patient for inspected in found])
        subject = await subject_of(patient_of(found))
        return await store_files(archive, identified(staged, found, subject), subject)
    finally:
        await asyncio.to_thread(discard, staged)


async def store_files(
    archive: Archive, incoming: list[Incoming], subject: dict[str, Any]
) -> Ingested:
    """Commits inspected files of one patient, which carry their UIDs.

    Raises:
        NotAllowed: a study of them is not the caller's to store.
        InstanceConflict, StudyConflict: they contradict what is stored.
    """
    for uid in sorted({file.uid("StudyInstanceUID") for file in incoming}):
        await archive.allow(uid, subject)
    plan = await plan_upload(archive.store, incoming, subject, archive.clock())
    new = {file.staged.sha256: file.staged for file in incoming} if plan.writes else {}
    needed = {sha256 for write in plan.writes for sha256 in write.blobs}
    puts = [
        archive.store.blobs.put_file(str(file.path))
        for sha256, file in new.items()
        if sha256 in needed and file.path.exists()
    ]
    await asyncio.gather(*puts)  # side by side: each waits for the disk
    latest = plan

    async def rebuild() -> Plan:
        nonlocal latest
        latest = await plan_upload(archive.store, incoming, subject, archive.clock())
        return latest

    await archive.save(rebuild)
    return Ingested(latest.studies)


async def inspect_part(file: StagedFile, described: Described, limits: Limits) -> Inspected:
    """Inspects one staged file in a thread.

    Raises:
        PartError: what is wrong with it.
    """
    try:
        return await asyncio.to_thread(inspect, file.path, described, limits)
    except (ImageError, ArchiveError) as error:
        raise PartError(file.index, error) from error


def check_one_patient(patients: list[PatientFacts]) -> None:
    """Raises MixedPatients where two files cannot be about one patient. Names no patient."""
    seen = PatientFacts()
    for index, patient in enumerate(patients):
        if patient.contradicts(seen):
            raise MixedPatients(
                f"file {index + 1} names another patient than the files before it: "
                "send each patient's files in an upload of their own"
            )
        seen = _combined([seen, patient])


def patient_of(found: Sequence[Inspected]) -> PatientFacts:
    """Who the files are about: the first that each thing is stated by."""
    return _combined([inspected.patient for inspected in found])


def _combined(patients: list[PatientFacts]) -> PatientFacts:
    def first(name: str) -> str:
        return next((getattr(one, name) for one in patients if getattr(one, name)), "")

    return PatientFacts(first("id"), first("issuer"), first("name"), first("birth_date"))


def identified(
    staged: list[StagedFile], found: list[Inspected], subject: dict[str, Any]
) -> list[Incoming]:
    """Gives files that have no UIDs theirs: from the patient and the bytes of all of them, so a repeat makes the same.

    The files without UIDs of one upload are one study, with a series for each format.
    """
    others = sorted(
        {
            file.sha256
            for file, inspected in zip(staged, found, strict=True)
            if inspected.format is not Format.DICOM
        }
    )
    study_uid = derived_uid("study", str(sorted(subject.items())), *others)
    incoming = []
    number = 0
    for file, inspected in zip(staged, found, strict=True):
        if inspected.format is Format.DICOM:
            incoming.append(Incoming(file, inspected))
            continue
        number += 1
        study = {tag("StudyInstanceUID"): element("UI", study_uid)}
        series_uid = derived_uid("series", study_uid, inspected.format)
        instance_uid = derived_uid("instance", study_uid, file.sha256)
        series = inspected.series | {tag("SeriesInstanceUID"): element("UI", series_uid)}
        instance = inspected.instance | {
            tag("SOPInstanceUID"): element("UI", instance_uid),
            tag("InstanceNumber"): element("IS", number),
        }
        incoming.append(
            Incoming(file, replace(inspected, study=study, series=series, instance=instance))
        )
    return incoming
