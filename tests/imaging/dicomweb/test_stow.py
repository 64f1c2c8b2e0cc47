"""STOW-RS: https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.5.html"""

from __future__ import annotations

from pathlib import Path

import pytest

from imaging.archive.attributes import tag
from imaging.archive.ingest import Archive
from imaging.dicomweb.handlers import Action, Admitted, DicomWeb
from imaging.dicomweb.multipart import closing, part_header
from tests.imaging.conftest import sample
from tests.imaging.uploads import files_below, series_of, stored_types, variation

RELATED = {"content-type": 'multipart/related; type="application/dicom"; boundary=b'}
UID = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"


def body(*contents: bytes) -> bytes:
    head = part_header("b", {"Content-Type": "application/dicom"})
    return b"".join(head + content + b"\r\n" for content in contents) + closing("b")


async def stow(web, *contents: bytes, path: str = "/studies"):
    return await web.post(path, content=body(*contents), headers=RELATED)


def reasons(answer: dict) -> list[int]:
    items = answer.get(tag("FailedSOPSequence"), {}).get("Value", [])
    items += answer.get(tag("OtherFailuresSequence"), {}).get("Value", [])
    return [item[tag("FailureReason")]["Value"][0] for item in items]


async def test_stored_instances_are_referenced_with_where_to_get_them(web, store) -> None:
    answer = await stow(web, *series_of(3))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    references = answer.json()[tag("ReferencedSOPSequence")]["Value"]
    assert len(references) == 3
    url = references[0][tag("RetrieveURL")]["Value"][0]
    assert (await web.get(url)).status_code == 200
    assert answer.json()[tag("RetrieveURL")]["Value"][0].endswith(UID)
    assert (await stored_types(store))["ImagingStudy"] == 1


async def test_one_bare_dicom_object_is_taken_too(web) -> None:
    headers = {"content-type": "application/dicom"}
    answer = await web.post("/studies", content=variation(), headers=headers)
    assert answer.status_code == 200


async def test_good_ones_are_stored_and_bad_ones_named(web, store) -> None:
    answer = await stow(web, variation(), variation(SOPInstanceUID="1.2.3")[:-300], b"no dicom")
    assert answer.status_code == 202
    assert reasons(answer.json()) == [0xC000, 0xC000]
    assert (await stored_types(store))["dicom:instance"] == 1


async def test_only_bad_ones_are_a_conflict_and_leave_nothing(web, store, tmp_path: Path) -> None:
    answer = await stow(web, b"no dicom")
    assert answer.status_code == 409
    assert await stored_types(store) == {}
    assert files_below(tmp_path / "data") == []


async def test_an_instance_of_another_study_than_the_urls_is_refused(web) -> None:
    answer = await stow(web, variation(), path="/studies/1.2.3.4")
    assert answer.status_code == 409
    assert reasons(answer.json()) == [0xA900]
    answer = await stow(web, variation(), path=f"/studies/{UID}")
    assert answer.status_code == 200


async def test_a_repeat_is_fine_and_other_content_under_the_same_uid_is_not(web) -> None:
    await stow(web, variation())
    assert (await stow(web, variation())).status_code == 200
    answer = await stow(web, variation(InstanceNumber=77), variation(SOPInstanceUID="1.2.3"))
    assert answer.status_code == 202
    assert reasons(answer.json()) == [0x0111]


async def test_studies_of_different_patients_may_come_in_one_request(web, store) -> None:
    other = variation("MR_small.dcm")
    assert (await stow(web, variation(), other)).status_code == 200
    assert (await stored_types(store))["dicom:study"] == 2


async def test_different_patients_within_one_study_may_not(web, store) -> None:
    answer = await stow(web, variation(), variation(SOPInstanceUID="1.2.3", PatientID="other"))
    assert answer.status_code == 409
    assert reasons(answer.json()) == [0xA900, 0xA900]
    assert await stored_types(store) == {}


async def test_a_picture_is_no_dicom_object(web) -> None:
    answer = await stow(web, sample("crayons.icc").read_bytes())
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("content_type", "content", "status"),
    [
        ("text/plain", b"x", 415),
        ("", b"x", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b', b"x", 415),
        ('multipart/related; type="application/dicom"', b"x", 400),
        (RELATED["content-type"], b"not multipart", 400),
        (RELATED["content-type"], body(b"x")[:-12], 400),
    ],
)
async def test_bodies_that_cannot_be_read(
    web, content_type: str, content: bytes, status: int
) -> None:
    answer = await web.post("/studies", content=content, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_who_may_not_store_is_refused_before_anything_is_read(
    server: DicomWeb, archive: Archive
) -> None:
    from dataclasses import replace

    import httpx

    from imaging.dicomweb.errors import Refused
    from imaging.dicomweb.routes import dicomweb_app

    async def admit(headers, action: Action) -> Admitted:
        if headers.get("authorization") is None:
            raise Refused("login", "Send a token.", {"WWW-Authenticate": "Bearer"})
        if action is Action.STORE:
            raise Refused("forbidden", "You may not store.")
        return Admitted(archive)

    async def never():
        raise AssertionError("the body was read")
        yield b""

    transport = httpx.ASGITransport(app=dicomweb_app(replace(server, admit=admit)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as web:
        answer = await web.post("/studies", content=never(), headers=RELATED)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        token = {"authorization": "Bearer x"}
        assert (
            await web.post("/studies", content=never(), headers=RELATED | token)
        ).status_code == 403
        assert (await web.get("/studies", headers=token)).status_code == 204
        for path in ("/studies", "/studies/1.2", "/studies/1.2/metadata", "/series", "/instances"):
            assert (await web.get(path)).status_code == 401
