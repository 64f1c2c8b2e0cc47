"""What a staged file is: whether it is whole and safe to decode, and the attributes that the archive keeps.

Runs in a thread, one file at a time, and reads headers, not pixels: a file of two gigabytes costs no memory.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.dataset import Dataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

from imaging.archive.attributes import (
    INSTANCE,
    SERIES,
    STUDY,
    Attributes,
    attributes_of,
    element,
    first_text,
    tag,
)
from imaging.archive.errors import InvalidObject
from imaging.errors import NotAnImage
from imaging.formats import Format, Limits
from imaging.formats import dicom_facts as facts
from imaging.formats.detect import HEAD_BYTES, detect
from imaging.formats.dicom_header import DicomFile, open_dicom
from imaging.formats.dicom_pixels import check_pixels, pixel_form
from imaging.formats.dicom_values import text
from imaging.formats.image import BodyPart
from imaging.formats.whole import check_whole
from terminology.body_parts import body_part_coding

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""SOP class given to files that have none (PNG, NIfTI, …): R4 demands one of each instance."""
_UID = re.compile(r"[0-9]{1,62}(\.[0-9]{1,62})+")
_MODALITY = re.compile(r"[A-Z0-9_]{1,16}")


@dataclass(frozen=True, slots=True)
class Described:
    """What the sender says about files that do not say it themselves (anything but DICOM)."""

    modality: str | None = None
    body_part: str | None = None

    def __post_init__(self) -> None:
        if self.modality is not None and not _MODALITY.fullmatch(self.modality):
            raise InvalidObject("the modality is no DICOM code string (CR, CT, MR, …)")


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """Who a DICOM file is about. Empty: it does not say."""

    id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: str = ""

    def contradicts(self, other: PatientFacts) -> bool:
        """Whether the two cannot be one patient: something that both state differs."""
        return any(
            mine and theirs and mine != theirs
            for mine, theirs in zip(self._key(), other._key(), strict=True)
        )

    def _key(self) -> tuple[str, ...]:
        name = " ".join(self.name.casefold().replace("^", " ").split())
        return self.id, self.issuer, name, self.birth_date


@dataclass(frozen=True, slots=True)
class Inspected:
    """One file, ready to be stored. Files without UIDs of their own get them once the whole upload is known."""

    format: Format
    study: Attributes
    series: Attributes
    instance: Attributes
    patient: PatientFacts
    transfer_syntax_uid: str | None
    frames: int
    annotations: dict[str, Any] = field(default_factory=dict)


def inspect(path: Path, described: Described, limits: Limits) -> Inspected:
    """Reads a staged file's header and checks that the file is whole.

    Raises:
        ImageError: empty, no image, corrupt, truncated, too large, unsupported.
        InvalidObject: DICOM without valid UIDs.
    """
    with path.open("rb") as stream:
        format = detect(stream.read(HEAD_BYTES))
        if format is Format.DICOM:
            return _inspect_dicom(stream, limits)
        frames = check_whole(stream, format, limits)
    return _inspect_other(format, described, frames)


def _inspect_dicom(stream: BinaryIO, limits: Limits) -> Inspected:
    file = open_dicom(stream)
    dataset = file.dataset
    if (
        text(dataset, "SOPClassUID") == MediaStorageDirectoryStorage
        or "DirectoryRecordSequence" in dataset
    ):
        raise NotAnImage("the file is a DICOMDIR: send the files that it lists")
    for keyword in ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID"):
        _require_uid(dataset, keyword)
    return Inspected(
        format=Format.DICOM,
        study=attributes_of(dataset, STUDY),
        series=attributes_of(dataset, SERIES),
        instance=attributes_of(dataset, INSTANCE),
        patient=PatientFacts(
            id=text(dataset, "PatientID") or "",
            issuer=text(dataset, "IssuerOfPatientID") or "",
            name=text(dataset, "PatientName") or "",
            birth_date=text(dataset, "PatientBirthDate") or "",
        ),
        transfer_syntax_uid=str(file.transfer_syntax),
        frames=_checked_frames(file, limits),
        annotations=_annotations(dataset),
    )


def _checked_frames(file: DicomFile, limits: Limits) -> int:
    """How many frames the object holds, once its pixels are known to be all there; 0 for objects without."""
    if file.pixels is None and "Rows" not in file.dataset:
        return 0
    form = pixel_form(file)
    check_pixels(file, form, limits, 1)
    return form.frames


def _annotations(dataset: Dataset) -> dict[str, Any]:
    body_part = facts.body_part(dataset)
    return _body_site(body_part.value) if body_part is not None else {}


def _body_site(body_part: BodyPart) -> dict[str, Any]:
    coding = body_part.coding
    if coding is None:
        return {"bodySite": {"display": body_part.text}}
    return {"bodySite": {"system": coding.system, "code": coding.code, "display": coding.display}}


def _require_uid(dataset: Dataset, keyword: str) -> None:
    value = text(dataset, keyword)
    if value is None:
        raise InvalidObject(f"the DICOM object has no {keyword}")
    if len(value) > 64 or not _UID.fullmatch(value):
        raise InvalidObject(f"the {keyword} of the DICOM object is no valid UID")


def _inspect_other(format: Format, described: Described, frames: int) -> Inspected:
    series = {tag("Modality"): element("CS", described.modality or "OT")}
    annotations: dict[str, Any] = {}
    if described.body_part:
        series[tag("BodyPartExamined")] = element("CS", described.body_part.upper()[:16])
        body_part = BodyPart(described.body_part, body_part_coding(described.body_part))
        annotations = _body_site(body_part)
    return Inspected(
        format=format,
        study={},
        series=series,
        instance={tag("SOPClassUID"): element("UI", SECONDARY_CAPTURE)},
        patient=PatientFacts(),
        transfer_syntax_uid=None,
        frames=frames,
        annotations=annotations,
    )


def derived_uid(*parts: str) -> str:
    """A UID that follows from ``parts`` alone (PS3.5 B.2: 2.25 and a 128-bit number)."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def sop_class_name(uid: str) -> str:
    """Its name in the standard, or the UID itself."""
    return str(UID(uid).name)


def instance_number(attributes: Attributes) -> int | None:
    """Instance Number, where it is a number that R4 can hold."""
    number = first_text(attributes, "InstanceNumber") or ""
    return int(number) if number.isdecimal() and int(number) < 2**31 else None
