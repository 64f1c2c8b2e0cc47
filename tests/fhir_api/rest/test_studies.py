"""Uploads by multipart/form-data: stored whole, or refused with what and where and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from healthvision.app import App
from tests.fhir_api.rest.conftest import BASE
from tests.radiographs import small_radiographs


def staged_files(folder: Path) -> list[Path]:
    """What lies in the staging directory of the blobs."""
    return [path for path in folder.rglob("upload-*") if path.is_file()]


async def upload(
    http: httpx.AsyncClient, *files: bytes, patient: str = "Patient/p", **fields: str
) -> httpx.Response:
    parts = [("files", (f"{index}.bin", content)) for index, content in enumerate(files)]
    return await http.post("/api/v1/studies", data={"patient": patient, **fields}, files=parts)


async def test_an_upload_makes_an_imaging_study_of_the_patient(
    http: httpx.AsyncClient, study: str
) -> None:
    resource = (await http.get(f"/fhir/{study}")).json()
    assert resource["subject"] == {"reference": "Patient/p"}
    assert resource["numberOfInstances"] == 1
    assert resource["series"][0]["modality"]["code"] == "CR"


async def test_the_same_file_again_adds_nothing(
    http: httpx.AsyncClient, study: str, radiograph: bytes
) -> None:
    again = (await upload(http, radiograph)).json()["studies"][0]
    assert (again["study"], again["created"], again["instances_added"]) == (study, False, 0)
    history = (await http.get(f"/fhir/{study}/_history")).json()
    assert history["total"] == 1


async def test_the_patient_may_come_after_the_files(
    http: httpx.AsyncClient, radiograph: bytes
) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\n'
        + radiograph
        + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="patient"\r\n\r\nPatient/p\r\n--b--\r\n'
    )
    answer = await http.post(
        "/api/v1/studies", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"", 422, id="empty"),
        pytest.param(b"what is this?" * 100, 415, id="no image"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 40, 422, id="corrupt PNG"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"\0" * 40, 422, id="corrupt JPEG"),
    ],
)
async def test_a_file_that_is_no_image_is_named_and_nothing_is_stored(
    http: httpx.AsyncClient,
    app: App,
    tmp_path: Path,
    radiograph: bytes,
    content: bytes,
    status: int,
) -> None:
    answer = await upload(http, radiograph, content)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["where"] == "files[1]"
    assert (await http.get("/fhir/ImagingStudy?_summary=count")).json()["total"] == 0
    assert (await http.get("/dicom-web/instances")).status_code in {200, 204}
    assert staged_files(tmp_path) == []


async def test_a_truncated_file_is_refused(http: httpx.AsyncClient, radiograph: bytes) -> None:
    answer = await upload(http, radiograph[: len(radiograph) // 2])
    assert answer.status_code == 422
    assert "file 1" in answer.json()["detail"].lower()


async def test_files_of_two_patients_are_refused(
    http: httpx.AsyncClient, radiograph: bytes
) -> None:
    answer = await upload(http, radiograph, other_patient())
    assert answer.status_code == 422
    assert (await http.get("/fhir/ImagingStudy?_summary=count")).json()["total"] == 0


def other_patient() -> bytes:
    from io import BytesIO

    from pydicom import dcmread

    dataset = dcmread(BytesIO(small_radiographs(1, 64)[0]))
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = (
        "somebody-else",
        "Else^Somebody",
        "19010101",
    )
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("patient", ["", "Patient/nobody", "Practitioner/p", "p"])
async def test_an_upload_for_nobody_is_refused(
    http: httpx.AsyncClient, radiograph: bytes, patient: str, tmp_path: Path
) -> None:
    answer = await upload(http, radiograph, patient=patient)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "patient"
    assert staged_files(tmp_path) == []


async def test_a_study_stays_with_its_patient(
    http: httpx.AsyncClient, study: str, radiograph: bytes
) -> None:
    await http.put("/fhir/Patient/q", json={"resourceType": "Patient", "id": "q"})
    assert (await upload(http, radiograph, patient="Patient/q")).status_code == 409
    assert (await http.get(f"/fhir/{study}")).json()["subject"] == {"reference": "Patient/p"}


async def test_an_unknown_form_field_is_refused(http: httpx.AsyncClient, radiograph: bytes) -> None:
    assert (await upload(http, radiograph, colour="blue")).status_code == 422


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
async def test_a_body_that_is_no_form_is_refused(
    http: httpx.AsyncClient, content_type: str
) -> None:
    answer = await http.post(
        "/api/v1/studies", content=b"{}", headers={"Content-Type": content_type}
    )
    assert answer.status_code in {400, 415}


async def test_a_form_that_ends_early_is_refused(http: httpx.AsyncClient, tmp_path: Path) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\nDIC'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await http.post("/api/v1/studies", content=body, headers=headers)
    assert answer.status_code == 400
    assert staged_files(tmp_path) == []


async def test_without_a_token_nothing_is_taken(app: App) -> None:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as stranger:
        answer = await stranger.post(
            "/api/v1/studies", data={"patient": "Patient/p"}, files={"files": ("x", b"x")}
        )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
