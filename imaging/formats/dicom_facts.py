"""What a DICOM data set says about the picture and the patient, each with the attribute that says it.

A damaged or absurd optional value counts as absent: it must not stop the reading of the image.
"""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from imaging.formats.dicom_values import items, numbers, text
from imaging.formats.image import Affine, BodyPart, Sourced
from imaging.formats.slices import to_affine
from terminology.body_parts import SNOMED_CT, Coding, body_part_coding

Vector = npt.NDArray[Any]
"""Three numbers in LPS millimetres."""

_AGE = re.compile(r"(\d{1,3})([DWMY])")
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
_SRT_SNOMED = {"SCT": SNOMED_CT, "http://snomed.info/sct": SNOMED_CT}


def dicom_date(dataset: Dataset, keyword: str) -> date | None:
    value = text(dataset, keyword)
    if value is None:
        return None
    digits = value.replace(".", "")[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def stated(dataset: Dataset, keyword: str, tag: str) -> Sourced[str] | None:
    value = text(dataset, keyword)
    return Sourced(value, f"DICOM {tag} {keyword}") if value else None


def study_date(dataset: Dataset) -> Sourced[date] | None:
    for keyword, tag in (
        ("StudyDate", "(0008,0020)"),
        ("SeriesDate", "(0008,0021)"),
        ("AcquisitionDate", "(0008,0022)"),
        ("ContentDate", "(0008,0023)"),
    ):
        value = dicom_date(dataset, keyword)
        if value is not None:
            return Sourced(value, f"DICOM {tag} {keyword}")
    return None


def patient_age_years(dataset: Dataset) -> Sourced[float] | None:
    """Patient's Age (0010,1010), else the birth date at the study's date."""
    match = _AGE.fullmatch(text(dataset, "PatientAge") or "")
    if match:
        years = int(match[1]) if match[2] == "Y" else int(match[1]) * _DAYS[match[2]] / 365.25
        return Sourced(float(years), "DICOM (0010,1010) PatientAge")
    born, studied = dicom_date(dataset, "PatientBirthDate"), study_date(dataset)
    if born is None or studied is None or born > studied.value:
        return None
    years = (studied.value - born).days / 365.25
    if years > 130:
        return None
    return Sourced(years, f"DICOM (0010,0030) PatientBirthDate at {studied.source.split()[-1]}")


def body_part(dataset: Dataset) -> Sourced[BodyPart] | None:
    """Anatomic Region Sequence (coded) before Body Part Examined (a defined term, mapped)."""
    for region in items(dataset, "AnatomicRegionSequence"):
        code, meaning = text(region, "CodeValue"), text(region, "CodeMeaning")
        system = _SRT_SNOMED.get(text(region, "CodingSchemeDesignator") or "")
        if code and meaning:
            coding = Coding(system, code, meaning) if system else body_part_coding(meaning)
            return Sourced(BodyPart(meaning, coding), "DICOM (0008,2218) AnatomicRegionSequence")
    value = text(dataset, "BodyPartExamined")
    if value is None:
        return None
    return Sourced(BodyPart(value, body_part_coding(value)), "DICOM (0018,0015) BodyPartExamined")


def laterality(dataset: Dataset) -> Sourced[str] | None:
    return stated(dataset, "ImageLaterality", "(0020,0062)") or stated(
        dataset, "Laterality", "(0020,0060)"
    )


def view_position(dataset: Dataset) -> Sourced[str] | None:
    """View Position (0018,5101), else the meaning of View Code Sequence."""
    stated_position = stated(dataset, "ViewPosition", "(0018,5101)")
    if stated_position is not None:
        return stated_position
    for view in items(dataset, "ViewCodeSequence"):
        meaning = text(view, "CodeMeaning")
        if meaning:
            return Sourced(meaning, "DICOM (0054,0220) ViewCodeSequence")
    return None


_SPACINGS = (
    ("PixelSpacing", "DICOM (0028,0030) PixelSpacing"),
    ("ImagerPixelSpacing", "DICOM (0018,1164) ImagerPixelSpacing (at the detector)"),
    ("NominalScannedPixelSpacing", "DICOM (0018,2010) NominalScannedPixelSpacing"),
)


def pixel_spacing_mm(dataset: Dataset) -> Sourced[tuple[float, ...]] | None:
    """(between rows, between columns). https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_10.7.html"""
    for keyword, source in _SPACINGS:
        values = numbers(dataset, keyword)
        if len(values) == 2 and min(values) > 0:
            calibrated = text(dataset, "PixelSpacingCalibrationType")
            note = f", calibrated: {calibrated}" if calibrated and keyword == "PixelSpacing" else ""
            return Sourced((values[0], values[1]), source + note)
    return None


def plane_affine(dataset: Dataset) -> Sourced[Affine] | None:
    """The image plane (C.7.6.2.1.1). The slice axis has length 1 mm along the normal: one slice has no spacing."""
    position = numbers(dataset, "ImagePositionPatient")
    cosines = numbers(dataset, "ImageOrientationPatient")
    spacing = numbers(dataset, "PixelSpacing")
    if len(position) != 3 or len(cosines) != 6 or len(spacing) != 2 or min(spacing) <= 0:
        return None
    along_row, along_column = np.array(cosines[:3]), np.array(cosines[3:])
    if not (
        math.isclose(float(np.linalg.norm(along_row)), 1, abs_tol=1e-2)
        and math.isclose(float(np.linalg.norm(along_column)), 1, abs_tol=1e-2)
        and abs(float(along_row @ along_column)) < 1e-2
    ):
        return None
    normal = np.cross(along_row, along_column)
    return Sourced(
        _affine(normal, along_column * spacing[0], along_row * spacing[1], np.array(position)),
        "DICOM (0020,0032) ImagePositionPatient, (0020,0037) ImageOrientationPatient",
    )


def _affine(slices: Vector, rows: Vector, columns: Vector, origin: Vector) -> Affine:
    """Puts the steps of one index along each axis and the origin together, in LPS millimetres."""
    matrix = np.eye(4)
    matrix[:3] = np.stack([slices, rows, columns, origin], axis=1)
    return to_affine(matrix)
