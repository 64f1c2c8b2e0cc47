"""The archive's records in the store: one a study, one a series, one an instance, each found by its UID.

They are internal types (with a colon), which no FHIR route reaches, and keep no history. A file's bytes are the blob
that its instance names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from imaging.archive.attributes import Attributes, first_text
from imaging.formats import Format
from store.entries import DateEntry, Entry, ReferenceEntry, StringEntry, TokenEntry
from store.interface import Version, Write

STUDY_TYPE, SERIES_TYPE, INSTANCE_TYPE = "dicom:study", "dicom:series", "dicom:instance"
IMAGING_STUDY = "ImagingStudy"
"""The resource that speaks for a study, and the parameter under which the study's record refers to it."""


@dataclass(frozen=True, slots=True)
class StudyRecord:
    uid: str
    attributes: Attributes
    subject: dict[str, Any]
    """The FHIR Reference to its patient."""
    imaging_study_id: str
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...]
    number_of_series: int
    number_of_instances: int


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    uid: str
    study_uid: str
    attributes: Attributes
    number_of_instances: int


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    uid: str
    study_uid: str
    series_uid: str
    attributes: Attributes
    format: Format
    sha256: str
    size_bytes: int
    transfer_syntax_uid: str | None
    frames: int
    """0: no pixels (a report, a plan)."""
    annotations: dict[str, Any] = field(default_factory=dict)
    """What the series part of an ImagingStudy says about it: bodySite, title."""

    @property
    def sop_class_uid(self) -> str:
        return first_text(self.attributes, "SOPClassUID") or ""


def study_day_us(date: str) -> int | None:
    """The begin of a DICOM date (``20260131``) in microseconds since 1970 UTC; None for what is no date."""
    try:
        begin = datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(begin.timestamp()) * 1_000_000


DAY_US = 86_400_000_000
Record = StudyRecord | SeriesRecord | InstanceRecord
_TYPE = {StudyRecord: STUDY_TYPE, SeriesRecord: SERIES_TYPE, InstanceRecord: INSTANCE_TYPE}


def record_write(record: Record, current: Version | None, now_us: int) -> Write:
    """The write that makes ``record`` the next version of what ``current`` is."""
    version = current.version + 1 if current else 1
    blobs = (record.sha256,) if isinstance(record, InstanceRecord) else ()
    return Write(
        type=_TYPE[type(record)],
        id=record.uid,
        version=version,
        expected_version=version - 1,
        last_updated_us=max(now_us, current.last_updated_us + 1) if current else now_us,
        method="PUT" if current else "POST",
        content=orjson.dumps(record),
        entries=_entries(record),
        blobs=blobs,
        keep_history=False,
    )


def study_record(version: Version) -> StudyRecord:
    value = orjson.loads(version.content)
    value["modalities"], value["sop_classes"] = (
        tuple(value["modalities"]),
        tuple(value["sop_classes"]),
    )
    return StudyRecord(**value)


def series_record(version: Version) -> SeriesRecord:
    return SeriesRecord(**orjson.loads(version.content))


def instance_record(version: Version) -> InstanceRecord:
    value = orjson.loads(version.content)
    return InstanceRecord(**{**value, "format": Format(value["format"])})


def _entries(record: Record) -> tuple[Entry, ...]:
    if isinstance(record, InstanceRecord):
        return (
            TokenEntry("study", None, record.study_uid),
            TokenEntry("series", None, record.series_uid),
            TokenEntry("SOPClassUID", None, record.sop_class_uid),
        )
    if isinstance(record, SeriesRecord):
        modality = first_text(record.attributes, "Modality")
        found = (TokenEntry("Modality", None, modality),) if modality else ()
        return (TokenEntry("study", None, record.study_uid), *found)
    entries: list[Entry] = [
        ReferenceEntry(IMAGING_STUDY, IMAGING_STUDY, record.imaging_study_id),
        *(TokenEntry("ModalitiesInStudy", None, code) for code in record.modalities),
    ]
    for keyword in ("PatientID", "AccessionNumber", "StudyID"):
        value = first_text(record.attributes, keyword)
        if value:
            entries.append(TokenEntry(keyword, None, value))
    day = study_day_us(first_text(record.attributes, "StudyDate") or "")
    if day is not None:
        entries.append(DateEntry("StudyDate", day, day + DAY_US))
    name = first_text(record.attributes, "PatientName")
    if name:
        entries.append(StringEntry("PatientName", name.casefold(), name))
    return tuple(entries)
