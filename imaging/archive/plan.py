"""What an upload changes: compares it with what is stored and answers the writes. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from imaging.archive.attributes import Attributes, first_text
from imaging.archive.errors import InstanceConflict, StudyConflict
from imaging.archive.imaging_study import (
    UID_SYSTEM,
    imaging_study,
    imaging_study_id,
    study_identifier,
)
from imaging.archive.inspect import Inspected, PatientFacts
from imaging.archive.queries import read_study, series_of_study, stored_instances
from imaging.archive.records import (
    IMAGING_STUDY,
    INSTANCE_TYPE,
    SERIES_TYPE,
    STUDY_TYPE,
    InstanceRecord,
    SeriesRecord,
    StudyRecord,
    instance_record,
    record_write,
    series_record,
    study_record,
)
from imaging.archive.staging import StagedFile
from store.interface import Store, Version, Write
from store.query import Query, TokenIs


@dataclass(frozen=True, slots=True)
class Incoming:
    """A staged file with its UIDs."""

    staged: StagedFile
    inspected: Inspected

    def uid(self, keyword: str) -> str:
        found = self.inspected
        return str(first_text(found.study | found.series | found.instance, keyword))


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """One study of the upload. ``resource`` is its ImagingStudy as it becomes, ``current`` as it is stored."""

    study_instance_uid: str
    resource: dict[str, Any]
    current: Version | None
    created: bool
    """The archive had nothing of it before."""
    new_instances: int
    instances: tuple[InstanceRecord, ...]
    """Those of this upload."""

    @property
    def reference(self) -> str:
        return f"{IMAGING_STUDY}/{self.resource['id']}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to commit together: the ImagingStudies (the FHIR side makes their writes) and the archive's records."""

    studies: tuple[PlannedStudy, ...]
    writes: tuple[Write, ...]


async def plan_upload(
    store: Store, incoming: Sequence[Incoming], subject: dict[str, Any], now_us: int
) -> Plan:
    """Decides what to write.

    Raises:
        InstanceConflict: a SOP Instance UID has other content, in the store or twice in the upload.
        StudyConflict: a study is stored for another patient.
    """
    by_study: dict[str, list[Incoming]] = {}
    for file in incoming:
        by_study.setdefault(file.uid("StudyInstanceUID"), []).append(file)
    studies: list[PlannedStudy] = []
    writes: list[Write] = []
    for uid, files in by_study.items():
        study, own_writes = await _plan_study(store, uid, files, subject, now_us)
        studies.append(study)
        writes += own_writes
    return Plan(tuple(studies), tuple(writes))


async def _plan_study(
    store: Store, uid: str, files: list[Incoming], subject: dict[str, Any], now_us: int
) -> tuple[PlannedStudy, list[Write]]:
    current = await store.read(STUDY_TYPE, uid)
    stored = study_record(current) if current else None
    if stored is not None:
        subject = _agreed_subject(stored, files, subject)
    new, known = await _new_instances(store, files)
    series, series_writes = await _series(store, uid, new, files, now_us)
    study = _merged_study(stored, uid, files, new, series, subject)
    if stored is None:
        study = replace(study, imaging_study_id=await _imaging_study_id(store, uid))
    resource, resource_version = await _existing(store, study.imaging_study_id)
    if resource is None and stored is not None:  # it was deleted: made again from all that is there
        series = await series_of_study(store, uid)
        known += [one for one in await stored_instances(store, uid) if one not in known]
    if resource is not None:
        _check_subject(resource, study)
    writes = [record_write(one, None, now_us) for one in new]
    if new or study != stored:
        writes = [record_write(study, current, now_us), *series_writes, *writes]
    planned = PlannedStudy(
        study_instance_uid=uid,
        resource=imaging_study(study, series, known + new, resource),
        current=resource_version,
        created=stored is None,
        new_instances=len(new),
        instances=tuple(_record(file) for file in files),
    )
    return planned, writes


async def _new_instances(
    store: Store, files: list[Incoming]
) -> tuple[list[InstanceRecord], list[InstanceRecord]]:
    """The instances that are not stored yet, and those of the upload that are."""
    versions = await store.read_many(
        [(INSTANCE_TYPE, file.uid("SOPInstanceUID")) for file in files]
    )
    new: dict[str, InstanceRecord] = {}
    known: dict[str, InstanceRecord] = {}
    for file, version in zip(files, versions, strict=True):
        record = _record(file)
        other = instance_record(version) if version else new.get(record.uid)
        if other is None:
            new[record.uid] = record
            continue
        if other.sha256 != record.sha256 or other.study_uid != record.study_uid:
            raise InstanceConflict(file.staged.index)
        if version:
            known[record.uid] = other
    return list(new.values()), list(known.values())


def _record(file: Incoming) -> InstanceRecord:
    found = file.inspected
    return InstanceRecord(
        uid=file.uid("SOPInstanceUID"),
        study_uid=file.uid("StudyInstanceUID"),
        series_uid=file.uid("SeriesInstanceUID"),
        attributes=found.instance,
        format=found.format,
        sha256=file.staged.sha256,
        size_bytes=file.staged.size_bytes,
        transfer_syntax_uid=found.transfer_syntax_uid,
        frames=found.frames,
        annotations=found.annotations,
    )


async def _series(
    store: Store, study_uid: str, new: list[InstanceRecord], files: list[Incoming], now_us: int
) -> tuple[list[SeriesRecord], list[Write]]:
    """The series that the upload touches, as they become, and the writes of those that change."""
    attributes = {file.uid("SeriesInstanceUID"): file.inspected.series for file in reversed(files)}
    versions = await store.read_many([(SERIES_TYPE, uid) for uid in attributes])
    records, writes = [], []
    for (uid, stated), version in zip(attributes.items(), versions, strict=True):
        stored = series_record(version) if version else None
        if stored is not None and stored.study_uid != study_uid:
            raise StudyConflict("a series of the upload is stored as part of another study")
        added = sum(one.series_uid == uid for one in new)
        record = SeriesRecord(
            uid=uid,
            study_uid=study_uid,
            attributes=stored.attributes if stored else stated,
            number_of_instances=(stored.number_of_instances if stored else 0) + added,
        )
        records.append(record)
        if record != stored:
            writes.append(record_write(record, version, now_us))
    return records, writes


def _merged_study(
    stored: StudyRecord | None,
    uid: str,
    files: list[Incoming],
    new: list[InstanceRecord],
    series: list[SeriesRecord],
    subject: dict[str, Any],
) -> StudyRecord:
    modalities = {first_text(one.attributes, "Modality") or "OT" for one in series}
    sop_classes = {one.sop_class_uid for one in new}
    first_time = sum(
        one.number_of_instances == sum(i.series_uid == one.uid for i in new) for one in series
    )
    if stored is None:
        return StudyRecord(
            uid=uid,
            attributes=_all_stated(files),
            subject=subject,
            imaging_study_id=imaging_study_id(uid),
            modalities=tuple(sorted(modalities)),
            sop_classes=tuple(sorted(sop_classes)),
            number_of_series=len(series),
            number_of_instances=len(new),
        )
    return replace(
        stored,
        subject=subject,
        modalities=tuple(sorted(modalities | set(stored.modalities))),
        sop_classes=tuple(sorted(sop_classes | set(stored.sop_classes))),
        number_of_series=stored.number_of_series + (first_time if new else 0),
        number_of_instances=stored.number_of_instances + len(new),
    )


def _all_stated(files: list[Incoming]) -> Attributes:
    """Study attributes as the first file that states each has them."""
    attributes: Attributes = {}
    for file in files:
        for name, value in file.inspected.study.items():
            if "Value" in value or name not in attributes:
                attributes.setdefault(name, value)
                if "Value" not in attributes[name]:
                    attributes[name] = value
    return attributes


def _agreed_subject(
    stored: StudyRecord, files: list[Incoming], subject: dict[str, Any]
) -> dict[str, Any]:
    """The study's subject: a reference to a Patient replaces one by identifier only.

    Raises:
        StudyConflict: another Patient, or files that name another patient than the stored ones.
    """
    before = PatientFacts(
        id=first_text(stored.attributes, "PatientID") or "",
        issuer=first_text(stored.attributes, "IssuerOfPatientID") or "",
        name=first_text(stored.attributes, "PatientName") or "",
        birth_date=first_text(stored.attributes, "PatientBirthDate") or "",
    )
    if any(file.inspected.patient.contradicts(before) for file in files):
        raise StudyConflict("the study is stored already, for another patient")
    mine, theirs = subject.get("reference"), stored.subject.get("reference")
    if mine and theirs and mine != theirs:
        raise StudyConflict("the study is stored already, for another patient")
    return subject if mine and not theirs else stored.subject


def _check_subject(resource: dict[str, Any], study: StudyRecord) -> None:
    """An ImagingStudy that a hospital system wrote must be about the same Patient."""
    mine, theirs = study.subject.get("reference"), resource.get("subject", {}).get("reference")
    if mine and theirs and mine != theirs:
        raise StudyConflict("the ImagingStudy of this study is about another patient")
    if mine and not theirs:
        resource["subject"] = study.subject


async def _imaging_study_id(store: Store, uid: str) -> str:
    """That of an ImagingStudy with the study's identifier, else the one that follows from the UID."""
    where = (TokenIs("identifier", UID_SYSTEM, study_identifier(uid)),)
    page = await store.search(Query(IMAGING_STUDY, where, limit=1))
    return page.hits[0].version.id if page.hits else imaging_study_id(uid)


async def imaging_study_of(store: Store, uid: str) -> Version | None:
    """The ImagingStudy that speaks for a study, or would if files of it came; a deletion too."""
    record = await read_study(store, uid)
    id = record.imaging_study_id if record else await _imaging_study_id(store, uid)
    return await store.read(IMAGING_STUDY, id)


async def _existing(store: Store, id: str) -> tuple[dict[str, Any] | None, Version | None]:
    version = await store.read(IMAGING_STUDY, id)
    if version is None or version.deleted:
        return None, version
    return orjson.loads(version.content), version
