"""The ImagingStudy: https://hl7.org/fhir/R4/imagingstudy.html"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fhir_api.access import OURSELVES
from fhir_api.interactions.write import Change, save
from imaging.archive.errors import StudyConflict
from imaging.archive.imaging_study import imaging_study_id, started_at, study_identifier
from tests.imaging.conftest import sample
from tests.imaging.uploads import series_of, upload, variation

UID = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
"""Study Instance UID of CT_small.dcm."""


async def stored(store, reference: str) -> dict[str, Any]:
    return orjson.loads((await store.read(*reference.split("/"))).content)


async def write(api, resource: dict[str, Any]) -> None:
    current = await api.store.read(resource["resourceType"], resource["id"])

    async def rebuild():
        return [Change(resource, current)], []

    await save(api, rebuild, by=OURSELVES)


def announced(**more: Any) -> dict[str, Any]:
    """As a hospital system announces a study before its images arrive."""
    return {
        "resourceType": "ImagingStudy",
        "id": "ordered-1",
        "status": "registered",
        "subject": {"reference": "Patient/example"},
        "identifier": [{"system": "urn:dicom:uid", "value": study_identifier(UID)}],
        "basedOn": [{"reference": "ServiceRequest/7"}],
        "numberOfInstances": 4,
    } | more


async def test_it_is_found_by_the_same_id_for_the_same_uid(archive) -> None:
    done = await upload(archive, variation())
    assert done.studies[0].reference == f"ImagingStudy/{imaging_study_id(UID)}"


async def test_a_study_that_was_announced_is_completed_not_doubled(api, archive, store) -> None:
    await write(api, announced())
    done = await upload(archive, *series_of(3))
    assert done.studies[0].reference == "ImagingStudy/ordered-1"
    resource = await stored(store, "ImagingStudy/ordered-1")
    assert resource["basedOn"] == [{"reference": "ServiceRequest/7"}]
    assert resource["status"] == "available"
    assert resource["numberOfInstances"] == 4  # one is still to come
    assert resource["series"][0]["numberOfInstances"] == 3
    await upload(archive, *series_of(5))
    assert (await stored(store, "ImagingStudy/ordered-1"))["numberOfInstances"] == 5


async def test_an_announced_study_of_another_patient_is_not_touched(api, archive, store) -> None:
    await write(api, announced(subject={"reference": "Patient/other"}))
    with pytest.raises(StudyConflict):
        await upload(archive, variation())
    assert await store.read("dicom:study", UID) is None


async def test_a_named_patient_replaces_a_logical_reference(archive, store) -> None:
    logical = {"type": "Patient", "identifier": {"value": "1CT1"}}
    done = await upload(archive, variation(), subject=logical)
    await upload(archive, variation(SOPInstanceUID="1.2.3"))
    resource = await stored(store, done.studies[0].reference)
    assert resource["subject"] == {"reference": "Patient/example"}
    await upload(archive, variation(SOPInstanceUID="1.2.4"), subject=logical)
    resource = await stored(store, done.studies[0].reference)
    assert resource["subject"] == {"reference": "Patient/example"}


async def test_series_of_several_modalities_are_told_apart(archive, store) -> None:
    report = variation(
        "reportsi.dcm", StudyInstanceUID=UID, PatientID="1CT1", PatientName="CompressedSamples^CT1"
    )
    done = await upload(archive, variation(), report)
    resource = await stored(store, done.studies[0].reference)
    assert {one["code"] for one in resource["modality"]} == {"CT", "SR"}
    assert resource["numberOfSeries"] == 2


@pytest.mark.parametrize(
    "name",
    [
        "examples_ybr_color.dcm",
        "liver.dcm",
        "rtdose.dcm",
        "waveform_ecg.dcm",
        "JPEG2000.dcm",
        "eCT_Supplemental.dcm",
    ],
)
async def test_what_is_made_of_any_object_is_valid_r4(archive, name: str) -> None:
    """The write path validates it; not being refused is the test."""
    assert (await upload(archive, sample(name).read_bytes())).studies[0].created


def attributes(**texts: str) -> dict[str, Any]:
    from imaging.archive.attributes import tag

    return {tag(keyword): {"vr": "LO", "Value": [text]} for keyword, text in texts.items()}


@pytest.mark.parametrize(
    ("date", "time", "zone", "started"),
    [
        ("20040826", "185059", "-0400", "2004-08-26T18:50:59-04:00"),
        ("20040826", "185059.123", "+0000", "2004-08-26T18:50:59+00:00"),
        ("20040826", "185059", "", "2004-08-26"),
        ("20040826", "18", "-0400", "2004-08-26"),
        ("20040826", "185059", "-9900", "2004-08-26"),
        ("", "185059", "-0400", None),
        ("20049999", "185059", "-0400", None),
    ],
)
def test_started_is_no_more_precise_than_what_is_known(date, time, zone, started) -> None:
    """A FHIR dateTime with a time needs a zone: https://hl7.org/fhir/R4/datatypes.html#dateTime"""
    found = started_at(attributes(StudyDate=date, StudyTime=time, TimezoneOffsetFromUTC=zone))
    assert found == started
