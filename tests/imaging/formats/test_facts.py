"""Metadata with where it came from."""

from __future__ import annotations

import pydicom
import pytest
from pydicom.dataset import Dataset

from imaging.formats import dicom_facts as facts
from imaging.formats.dicom_values import text


def dataset(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize(
    ("age", "years"), [("064Y", 64), ("006M", 0.5), ("026W", 0.498), ("010D", 0.027), ("000Y", 0)]
)
def test_age_strings_become_years(age: str, years: float) -> None:
    """https://dicom.nema.org/medical/dicom/current/output/chtml/part05/sect_6.2.html, AS"""
    found = facts.patient_age_years(dataset(PatientAge=age))
    assert found.value == pytest.approx(years, abs=0.001)
    assert "PatientAge" in found.source


def test_age_falls_back_to_the_birth_date_at_the_studys_date() -> None:
    found = facts.patient_age_years(dataset(PatientBirthDate="20100601", StudyDate="20160601"))
    assert found.value == pytest.approx(6, abs=0.01)
    assert "PatientBirthDate" in found.source


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PatientAge": ""},
        {"PatientBirthDate": "20200101", "StudyDate": "20100101"},
        {"PatientBirthDate": "18000101", "StudyDate": "20100101"},
        {"PatientBirthDate": "20209999", "StudyDate": "20200101"},
    ],
)
def test_an_age_that_cannot_be_is_none(attributes: dict[str, str]) -> None:
    assert facts.patient_age_years(dataset(**attributes)) is None


@pytest.mark.parametrize(
    ("attributes", "spacing", "source"),
    [
        ({"PixelSpacing": [0.5, 0.6], "ImagerPixelSpacing": [1, 1]}, (0.5, 0.6), "(0028,0030)"),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "(0018,1164)"),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "(0018,1164)"),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), "(0018,2010)"),
    ],
)
def test_spacing_says_which_attribute_it_is_from(attributes, spacing, source) -> None:
    found = facts.pixel_spacing_mm(dataset(**attributes))
    assert found.value == spacing
    assert source in found.source


def test_spacing_says_how_it_was_calibrated() -> None:
    found = facts.pixel_spacing_mm(
        dataset(PixelSpacing=[0.5, 0.5], PixelSpacingCalibrationType="FIDUCIAL")
    )
    assert "FIDUCIAL" in found.source


def test_a_coded_region_goes_before_body_part_examined() -> None:
    region = dataset(CodeValue="39607008", CodingSchemeDesignator="SCT", CodeMeaning="Lung")
    found = facts.body_part(dataset(AnatomicRegionSequence=[region], BodyPartExamined="CHEST"))
    assert found.value.coding.code == "39607008"
    assert "AnatomicRegionSequence" in found.source


def test_an_unknown_body_part_keeps_its_text_without_a_code() -> None:
    found = facts.body_part(dataset(BodyPartExamined="XYZZY"))
    assert (found.value.text, found.value.coding) == ("XYZZY", None)


def test_a_persons_name_is_read_whole(sample_file) -> None:
    header = pydicom.dcmread(sample_file("RG1_J2KI.dcm"), stop_before_pixels=True)
    assert text(header, "PatientName") == "CompressedSamples^RG1"


def test_an_oblique_plane_needs_orthogonal_unit_vectors() -> None:
    good = dataset(
        ImagePositionPatient=[1, 2, 3],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[2, 3],
    )
    affine = facts.plane_affine(good).value
    assert affine == ((0, 0, 3, 1), (0, 2, 0, 2), (1, 0, 0, 3), (0, 0, 0, 1))
    for cosines in ([1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 1, 0]):
        good.ImageOrientationPatient = cosines
        assert facts.plane_affine(good) is None
