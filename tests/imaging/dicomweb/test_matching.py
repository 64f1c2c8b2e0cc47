"""Attribute matching: https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_C.2.2.2.html"""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.archive.attributes import element, tag
from imaging.dicomweb.errors import BadRequest
from imaging.dicomweb.matching import criterion


def matches(keyword: str, wanted: str, vr: str, *values: object) -> bool:
    return criterion(keyword, wanted).matches({tag(keyword): element(vr, *values)})


@pytest.mark.parametrize(
    ("keyword", "wanted", "value", "expected"),
    [
        ("PatientID", "A-1", "A-1", True),
        ("PatientID", "a-1", "A-1", False),
        ("PatientID", "A*", "A-1", True),
        ("PatientID", "A?1", "A-1", True),
        ("PatientID", "A?", "A-1", False),
        ("PatientID", "A.1", "A-1", False),
        ("PatientID", "", "A-1", True),
        ("PatientName", "doe*", "Doe^Jane", True),
        ("PatientName", "doe^jane", "Doe^Jane^^", True),
        ("PatientName", "jane", "Doe^Jane", False),
        ("StudyDate", "20200101", "20200101", True),
        ("StudyDate", "20200101-20200301", "20200229", True),
        ("StudyDate", "-20200301", "20200302", False),
        ("StudyDate", "20200101-", "20191231", False),
        ("StudyTime", "1030-1130", "113059", True),
        ("StudyTime", "1030-1130", "113100", False),
        ("StudyTime", "10", "103000", True),
        ("StudyInstanceUID", "1.2,1.3", "1.3", True),
        ("StudyInstanceUID", "1.2\\1.3", "1.3", True),
        ("StudyInstanceUID", "1.2", "1.23", False),
        ("SeriesNumber", "3", 3, True),
        ("SeriesNumber", "3", "03", True),
        ("SeriesNumber", "3", 33, False),
        ("00100020", "A-1", "A-1", True),
    ],
)
def test_rules_of_the_value_representations(keyword, wanted, value, expected) -> None:
    name = tag(keyword) if not keyword.isdecimal() else keyword
    found = criterion(keyword, wanted)
    shown = element(found.vr, {"Alphabetic": value} if found.vr == "PN" else value)
    assert found.matches({name: shown}) is expected


def test_any_value_of_several_may_match() -> None:
    assert matches("ModalitiesInStudy", "SR", "CS", "CT", "SR")


def test_an_absent_attribute_matches_only_everything() -> None:
    assert criterion("PatientID", "").matches({})
    assert not criterion("PatientID", "*").matches({})


def test_sequences_are_reached_by_dots() -> None:
    item = {tag("ScheduledProcedureStepID"): element("SH", "S1")}
    attributes = {tag("RequestAttributesSequence"): element("SQ", item)}
    assert criterion("RequestAttributesSequence.ScheduledProcedureStepID", "S1").matches(attributes)
    assert not criterion("00400275.00400009", "S2").matches(attributes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NoSuchAttribute", "1"),
        ("StudyDate", "yesterday"),
        ("StudyDate", "2020-01-01"),
        ("SeriesNumber", "three"),
        ("PatientID", "*a" * 20),
    ],
)
def test_what_cannot_be_matched_is_an_error(name: str, value: str) -> None:
    with pytest.raises(BadRequest):
        criterion(name, value)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_mean_what_they_mean_in_a_shell(pattern: str, value: str) -> None:
    if pattern and value:
        assert matches("PatientID", pattern, "LO", value) == fnmatch.fnmatchcase(value, pattern)
