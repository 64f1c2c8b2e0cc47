"""QIDO-RS: https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.6.html"""

from __future__ import annotations

import pytest

from imaging.archive.attributes import first, first_text, tag
from tests.imaging.uploads import series_of, upload, variation

CT = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
"""Study Instance UID of CT_small.dcm (PatientID 1CT1, 20040119)."""
MR = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"
"""That of MR_small.dcm (PatientID 4MR1, 20040826)."""


@pytest.fixture
async def filled(web, archive):
    await upload(archive, *series_of(3))
    await upload(archive, variation("MR_small.dcm"), subject={"reference": "Patient/mr"})
    return web


async def uids(web, path: str, keyword: str = "StudyInstanceUID") -> list[str]:
    answer = await web.get(path)
    if answer.status_code == 204:
        assert answer.content == b""
        return []
    assert answer.status_code == 200, answer.text
    return sorted({str(first(item, keyword)) for item in answer.json()})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [CT, MR]),
        ("PatientID=1CT1", [CT]),
        ("00100020=1CT1", [CT]),
        ("PatientID=1ct1", []),
        ("PatientID=*1", [CT, MR]),
        ("PatientName=compressedsamples*", [CT, MR]),
        ("PatientName=CompressedSamples^CT1", [CT]),
        ("StudyDate=20040119", [CT]),
        ("StudyDate=20040101-20040201", [CT]),
        ("StudyDate=20040826-", [MR]),
        ("StudyDate=-20031231", []),
        ("StudyTime=000000-120000", [CT]),
        ("ModalitiesInStudy=MR", [MR]),
        ("Modality=CT", [CT]),
        ("ModalitiesInStudy=CT&PatientID=4MR1", []),
        (f"StudyInstanceUID={CT},{MR}", [CT, MR]),
        (f"StudyInstanceUID={CT}\\1.2.3", [CT]),
        ("StudyInstanceUID=1.2.3", []),
        ("AccessionNumber=", [CT, MR]),
        ("PatientSex=O", [CT]),
    ],
)
async def test_studies_are_found_by_their_attributes(filled, query: str, found: list[str]) -> None:
    assert await uids(filled, f"/studies?{query}") == sorted(found)


async def test_a_study_answers_with_the_required_attributes(filled) -> None:
    """Table 10.6.3-3."""
    [study] = (await filled.get("/studies?PatientID=1CT1")).json()
    for keyword in (
        "StudyDate", "StudyTime", "AccessionNumber", "InstanceAvailability", "ModalitiesInStudy", "PatientName",
        "ReferringPhysicianName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "RetrieveURL",
    ):  # fmt: skip
        assert tag(keyword) in study, keyword
    assert first(study, "NumberOfStudyRelatedInstances") == 3
    assert first(study, "NumberOfStudyRelatedSeries") == 1
    assert first_text(study, "PatientName") == "CompressedSamples^CT1"


async def test_series_and_instances_of_a_study(filled) -> None:
    [series] = (await filled.get(f"/studies/{CT}/series")).json()
    assert first(series, "Modality") == "CT"
    assert first(series, "NumberOfSeriesRelatedInstances") == 3
    assert tag("PatientID") not in series
    uid = first(series, "SeriesInstanceUID")
    instances = (await filled.get(f"/studies/{CT}/series/{uid}/instances")).json()
    assert [first(one, "InstanceNumber") for one in instances] == [1, 2, 3]
    assert first(instances[0], "Rows") == 128
    assert len((await filled.get(f"/studies/{CT}/instances")).json()) == 3
    assert await uids(filled, f"/studies/{MR}/series/{uid}/instances") == []


async def test_relational_queries_carry_the_levels_above(filled) -> None:
    [series] = (await filled.get("/series?Modality=MR")).json()
    assert first(series, "PatientID") == "4MR1"
    instances = (await filled.get("/instances?PatientID=1CT1&InstanceNumber=2")).json()
    assert [first(one, "SOPInstanceUID") for one in instances] == ["1.2.3.2"]
    assert first(instances[0], "Modality") == "CT"
    assert await uids(filled, "/instances?SOPInstanceUID=1.2.3.3", "SOPInstanceUID") == ["1.2.3.3"]
    assert await uids(filled, "/studies?SeriesInstanceUID=1.2.3") == []


async def test_pages_do_not_overlap_and_say_when_there_is_more(filled) -> None:
    seen = []
    for offset in range(0, 4, 2):
        answer = await filled.get(f"/instances?limit=2&offset={offset}")
        seen += [first(one, "SOPInstanceUID") for one in answer.json()]
        assert ("additional results" in answer.headers.get("warning", "")) == (offset == 0)
    assert len(set(seen)) == 4


async def test_includefield_adds_what_is_held(filled) -> None:
    plain = (await filled.get("/series?Modality=CT")).json()[0]
    assert tag("Manufacturer") not in plain
    more = (await filled.get("/series?Modality=CT&includefield=Manufacturer")).json()[0]
    assert tag("Manufacturer") in more
    assert (
        tag("StationName") in (await filled.get("/series?Modality=CT&includefield=all")).json()[0]
    )


async def test_fuzzy_matching_is_declined_in_a_warning(filled) -> None:
    answer = await filled.get("/studies?PatientName=Compressd*&fuzzymatching=true")
    assert answer.status_code == 204
    assert "fuzzymatching" in answer.headers["warning"]


@pytest.mark.parametrize(
    "query",
    [
        "NoSuch=1",
        "limit=-1",
        "offset=x",
        "StudyDate=x",
        "Rows=128",
        "SOPInstanceUID=1.2",
        "includefield=NoSuch",
    ],
)
async def test_a_query_that_cannot_be_answered_rightly_is_refused(filled, query: str) -> None:
    """A filter that is passed over would show more than was asked for."""
    answer = await filled.get(f"/studies?{query}")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "invalid"


async def test_json_is_what_there_is(filled) -> None:
    refused = await filled.get("/studies", headers={"accept": "application/dicom+xml"})
    assert refused.status_code == 406
    plain = await filled.get("/studies", headers={"accept": "application/json"})
    assert plain.headers["content-type"] == "application/json"
