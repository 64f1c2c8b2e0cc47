"""The attributes of studies, series and instances that the archive keeps beside the files, in DICOM's JSON model.

They are what QIDO-RS must answer and match (PS3.18 10.6.3.3), and a few more that people search by.
JSON model: https://dicom.nema.org/medical/dicom/current/output/chtml/part18/chapter_F.html
"""

from __future__ import annotations

from typing import Any, TypeAlias

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

Attributes: TypeAlias = dict[str, Any]
"""``{"00100020": {"vr": "LO", "Value": ["…"]}}``"""


def tag(keyword: str) -> str:
    """``PatientID`` → ``00100020``."""
    number = tag_for_keyword(keyword)
    assert number is not None, keyword
    return f"{number:08X}"


STUDY = tuple(
    tag(keyword)
    for keyword in (
        "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "TimezoneOffsetFromUTC",
        "StudyDescription", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
        "PatientAge", "StudyInstanceUID", "StudyID",
    )
)  # fmt: skip
SERIES = tuple(
    tag(keyword)
    for keyword in (
        "Modality", "SeriesDate", "SeriesTime", "SeriesDescription", "ProtocolName", "BodyPartExamined", "Laterality",
        "SeriesInstanceUID", "SeriesNumber", "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
        "RequestAttributesSequence", "Manufacturer", "ManufacturerModelName", "StationName",
    )
)  # fmt: skip
INSTANCE = tuple(
    tag(keyword)
    for keyword in (
        "SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames",
        "ContentDate", "ContentTime", "ImageType", "ViewPosition", "ImageLaterality",
    )
)  # fmt: skip

_MAX_VALUE_CHARS = 1024


def attributes_of(dataset: Dataset, tags: tuple[str, ...]) -> Attributes:
    """The present ones of ``tags``; what cannot be read or is absurdly long is left out."""
    attributes: Attributes = {}
    for name in tags:
        number = int(name, 16)
        if number not in dataset:
            continue
        try:
            value = dataset[number].to_json_dict(None, _MAX_VALUE_CHARS)
        except Exception:  # noqa: BLE001, S112  pydicom raises what its converters meet
            continue
        if "BulkDataURI" not in value:
            attributes[name] = value
    return attributes


def first(attributes: Attributes, keyword: str) -> Any:  # noqa: ANN401  JSON
    """The first value of an attribute, or None."""
    values = attributes.get(tag(keyword), {}).get("Value") or [None]
    return values[0]


def first_text(attributes: Attributes, keyword: str) -> str | None:
    """The first value as text; of a person's name its alphabetic form."""
    value = first(attributes, keyword)
    if isinstance(value, dict):
        value = value.get("Alphabetic") or value.get("Ideographic") or value.get("Phonetic")
    return str(value).strip() or None if value is not None else None


def element(vr: str, *values: object) -> dict[str, Any]:
    """One JSON attribute."""
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}
