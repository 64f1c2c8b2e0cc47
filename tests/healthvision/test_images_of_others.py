"""DICOMweb and uploads show and take what the ImagingStudy of a study allows: another's is as if it were not there.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_8.8.html leaves security to the server;
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html says what a scope opens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.imaging.uploads import files_below, variation
from tests.scoped import Site, site

READS = "patient/ImagingStudy.rs"
STORES = "patient/ImagingStudy.cu patient/Patient.r"
A, B, NOBODY = "1.2.3.1", "1.2.3.2", "1.2.3.9"
DICOM = {"Content-Type": "application/dicom"}
NOT_AUTHORIZED = 0x0124

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def file_of(patient: str, study: str, number: int = 1) -> bytes:
    return variation(
        PatientID=patient,
        PatientName=f"Family{patient}" if patient else "",
        StudyInstanceUID=study,
        SeriesInstanceUID=f"{study}.1",
        SOPInstanceUID=f"{study}.1.{number}",
    )


@dataclass
class House:
    site: Site
    operator: httpx.AsyncClient


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Two patients with a study each."""
    async with site(tmp_path) as opened:
        operator = opened.client()
        for id, study in (("a", A), ("b", B)):
            person = {
                "resourceType": "Patient",
                "id": id,
                "identifier": [{"value": id}],
                "name": [{"family": f"Family{id}"}],
            }
            await operator.put(f"/fhir/Patient/{id}", json=person)
            stored = await operator.post(
                "/dicom-web/studies", content=file_of(id, study), headers=DICOM
            )
            assert stored.status_code == 200, stored.text
        yield House(opened, operator)


def paths(study: str) -> list[str]:
    series, instance = (
        f"{study}/series/{study}.1",
        f"{study}/series/{study}.1/instances/{study}.1.1",
    )
    return [
        study,
        series,
        instance,
        f"{study}/metadata",
        f"{series}/metadata",
        f"{instance}/metadata",
        f"{instance}/bulkdata/7FE00010",
        f"{instance}/frames/1",
        f"{instance}/rendered",
        f"{instance}/frames/1/rendered",
        f"{study}/thumbnail",
        f"{series}/thumbnail",
        f"{instance}/thumbnail",
        f"{instance}/frames/1/thumbnail",
        f"{study}/series",
        f"{study}/instances",
        f"{series}/instances",
    ]


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """All that an answer says, but which request it answers."""
    return answer.status_code, answer.content, dict(answer.headers) | {"x-request-id": ""}


async def test_anothers_study_answers_as_one_that_is_not_there(house: House) -> None:
    app = house.site.app_of("a", READS)
    for own, others, absent in zip(paths(A), paths(B), paths(NOBODY), strict=True):
        shown = await app.get(f"/dicom-web/studies/{own}")
        hidden = await app.get(f"/dicom-web/studies/{others}")
        assert shown.status_code == 200, (own, shown.text)
        assert hidden.status_code in {404, 204}, others
        assert told(hidden) == told(await app.get(f"/dicom-web/studies/{absent}")), others


async def test_an_instance_is_not_reached_through_ones_own_study(house: House) -> None:
    app = house.site.app_of("a", READS)
    crossed = await app.get(f"/dicom-web/studies/{A}/series/{B}.1/instances/{B}.1.1/frames/1")
    assert crossed.status_code == 404


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
async def test_a_search_finds_ones_own_before_it_is_cut_in_pages(house: House, level: str) -> None:
    """https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.6.html"""
    app = house.site.app_of("b", READS)
    found = await app.get(f"/dicom-web/{level}", params={"limit": 1})
    assert [one["0020000D"]["Value"] for one in found.json()] == [[B]]
    assert "warning" not in found.headers
    assert (await app.get(f"/dicom-web/{level}", params={"offset": 1})).status_code == 204


@pytest.mark.parametrize(
    "query", ["PatientID=a", "StudyInstanceUID=" + A, "PatientName=Familya", "ModalitiesInStudy=CT"]
)
async def test_no_query_finds_anothers_study(house: House, query: str) -> None:
    found = await house.site.app_of("b", READS).get(f"/dicom-web/studies?{query}")
    assert A not in found.text


async def test_a_restriction_of_the_scope_holds_for_images(house: House) -> None:
    other_modality = house.site.client(house.site.token("system/ImagingStudy.rs?modality=MR"))
    same_modality = house.site.client(house.site.token("system/ImagingStudy.rs?modality=CT"))
    assert (await other_modality.get("/dicom-web/studies")).status_code == 204
    assert (await other_modality.get(f"/dicom-web/studies/{A}/metadata")).status_code == 404
    assert len((await same_modality.get("/dicom-web/studies")).json()) == 2


@pytest.mark.parametrize(
    ("scope", "searches", "reads"),
    [
        ("patient/ImagingStudy.s", 200, 403),
        ("patient/ImagingStudy.r", 403, 200),
        ("patient/Observation.rs", 403, 403),
        ("patient/*.rs", 200, 200),
    ],
)
async def test_reading_and_searching_take_their_letters(
    house: House, scope: str, searches: int, reads: int
) -> None:
    app = house.site.app_of("a", scope)
    searched = await app.get("/dicom-web/studies")
    read = await app.get(f"/dicom-web/studies/{A}/metadata")
    assert (searched.status_code, read.status_code) == (searches, reads)
    for answer in (searched, read):
        if answer.status_code == 403:
            assert "insufficient_scope" in answer.headers["www-authenticate"]


async def test_a_study_whose_imaging_study_is_moved_to_another_patient_goes_with_it(
    house: House,
) -> None:
    app = house.site.app_of("a", READS)
    assert (await app.get(f"/dicom-web/studies/{A}/metadata")).status_code == 200
    found = (await house.operator.get("/fhir/ImagingStudy?patient=a")).json()
    moved = found["entry"][0]["resource"] | {"subject": {"reference": "Patient/b"}}
    await house.operator.put(f"/fhir/ImagingStudy/{moved['id']}", json=moved)
    assert (await app.get(f"/dicom-web/studies/{A}/metadata")).status_code == 404


async def test_a_study_whose_imaging_study_is_deleted_is_gone_for_apps(house: House) -> None:
    found = (await house.operator.get("/fhir/ImagingStudy?patient=a")).json()
    await house.operator.delete(f"/fhir/ImagingStudy/{found['entry'][0]['resource']['id']}")
    app = house.site.app_of("a", READS)
    assert (await app.get(f"/dicom-web/studies/{A}/metadata")).status_code == 404


async def test_an_imaging_study_that_names_anothers_uid_opens_nothing(house: House) -> None:
    """Whoever may write ImagingStudies of one patient does not thereby take the images of another."""
    app = house.site.app_of("a", "patient/ImagingStudy.cruds")
    claim = {
        "resourceType": "ImagingStudy",
        "status": "available",
        "subject": {"reference": "Patient/a"},
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{B}"}],
    }
    assert (await app.post("/fhir/ImagingStudy", json=claim)).status_code == 201
    assert (await app.get(f"/dicom-web/studies/{B}/metadata")).status_code == 404


async def test_an_app_stores_for_its_own_patient(house: House, tmp_path: Path) -> None:
    app = house.site.app_of("a", STORES)
    for content in (file_of("a", A, 2), file_of("a", f"{A}.5")):
        stored = await app.post("/dicom-web/studies", content=content, headers=DICOM)
        assert stored.status_code == 200, stored.text


@pytest.mark.parametrize(
    "content",
    [
        file_of("b", f"{B}.5"),
        file_of("b", B, 2),
        file_of("b", B),
        file_of("a", B, 2),
        file_of("nobody", f"{B}.5"),
        file_of("", f"{B}.5"),
    ],
    ids=["new study", "new instance", "same instance", "own name", "unknown patient", "no patient"],
)
async def test_an_app_stores_nothing_for_others_and_learns_nothing(
    house: House, tmp_path: Path, content: bytes
) -> None:
    """PS3.7 annex C: 0124H, refused: not authorized."""
    before = files_below(tmp_path / "data")
    answer = await house.site.app_of("a", STORES).post(
        "/dicom-web/studies", content=content, headers=DICOM
    )
    assert answer.status_code == 409
    assert answer.json().keys() == {"00081198"}
    assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [NOT_AUTHORIZED]
    assert files_below(tmp_path / "data") == before


@pytest.mark.parametrize(
    ("scope", "new", "more"),
    [("patient/ImagingStudy.c", 200, 409), ("patient/ImagingStudy.u", 409, 200)],
)
async def test_making_a_study_and_adding_to_one_take_their_letters(
    house: House, scope: str, new: int, more: int
) -> None:
    app = house.site.app_of("a", scope)
    made = await app.post("/dicom-web/studies", content=file_of("a", f"{A}.5"), headers=DICOM)
    added = await app.post("/dicom-web/studies", content=file_of("a", A, 2), headers=DICOM)
    assert (made.status_code, added.status_code) == (new, more)


async def never() -> AsyncIterator[bytes]:
    raise AssertionError("the body was read")
    yield b""


@pytest.mark.parametrize(
    "url", ["/dicom-web/studies", f"/dicom-web/studies/{A}", "/api/v1/studies"]
)
async def test_who_may_store_nothing_is_refused_before_a_byte_is_read(
    house: House, url: str
) -> None:
    reader = house.site.app_of("a", "patient/*.rs")
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await reader.post(url, content=never(), headers=headers)).status_code == 403
    stranger = house.site.client(None)
    assert (await stranger.post(url, content=never(), headers=headers)).status_code == 401


async def test_an_upload_for_another_patient_is_refused_before_its_files_are_read(
    house: House,
) -> None:
    scope = "patient/ImagingStudy.cu user/Patient.r"
    clinician = {"user": "Practitioner/1", "roles": frozenset({"clinician"})}
    app = house.site.client(house.site.token(scope, patient="a", **clinician))

    async def form(patient: str) -> AsyncIterator[bytes]:
        for name, value in (("patient", patient), ("files", "")):
            yield (
                f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n{value}\r\n'
            ).encode()
        raise AssertionError("more was read than the form's head")

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await app.post("/api/v1/studies", content=form("Patient/b"), headers=headers)
    assert answer.status_code == 403


async def test_an_upload_says_whose_it_is_before_its_files_where_that_matters(
    house: House,
) -> None:
    app = house.site.app_of("a", STORES)
    content = file_of("a", f"{A}.5")
    late = [("files", ("f.dcm", content)), ("patient", (None, "Patient/a"))]
    early = late[::-1]
    assert (await app.post("/api/v1/studies", files=late)).status_code == 422
    assert (await app.post("/api/v1/studies", files=early)).status_code == 201


async def test_an_upload_adds_nothing_to_anothers_study(house: House) -> None:
    app = house.site.app_of("a", STORES)
    form = [("patient", (None, "Patient/a")), ("files", ("f.dcm", file_of("a", B, 2)))]
    answer = await app.post("/api/v1/studies", files=form)
    assert answer.status_code == 403
    assert B not in answer.text
