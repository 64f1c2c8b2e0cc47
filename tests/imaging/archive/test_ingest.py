"""Uploads: all of it is stored, or nothing is."""

from __future__ import annotations

import asyncio
import gzip
import io
import tracemalloc
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import orjson
import pytest
from PIL import Image as PillowImage

from imaging.archive.errors import (
    ArchiveError,
    EmptyUpload,
    InstanceConflict,
    MixedPatients,
    PartError,
    StudyConflict,
    UploadTooLarge,
)
from imaging.archive.ingest import ingest
from imaging.archive.inspect import Described
from imaging.archive.queries import stored_instances
from imaging.archive.staging import Part, UploadLimits
from imaging.formats import Format
from store.errors import StoreUnavailable
from tests.imaging.conftest import sample
from tests.imaging.uploads import (
    PATIENT,
    files_below,
    parts,
    series_of,
    stored_types,
    upload,
    variation,
)


def png(seed: int = 0) -> bytes:
    target = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 255, (32, 24), np.uint8)
    PillowImage.fromarray(values).save(target, "PNG")
    return target.getvalue()


async def test_one_file_becomes_blob_records_and_imaging_study_together(archive, store) -> None:
    content = sample("RG1_J2KI.dcm").read_bytes()
    done = await upload(archive, content)
    study = done.studies[0]
    assert study.created
    version = await store.read(*study.reference.split("/"))
    resource = orjson.loads(version.content)
    assert resource["subject"] == PATIENT
    assert resource["numberOfInstances"] == 1
    assert resource["series"][0]["bodySite"]["code"] == "816094009"
    [instance] = await stored_instances(store, study.study_instance_uid)
    assert await store.blobs.get(instance.sha256) == content
    assert await stored_types(store) == {
        "dicom:study": 1,
        "dicom:series": 1,
        "dicom:instance": 1,
        "ImagingStudy": 1,
    }


async def test_the_same_upload_again_changes_nothing(archive, store) -> None:
    contents = series_of(3)
    first = await upload(archive, *contents)
    version = await store.read(*first.studies[0].reference.split("/"))
    again = await upload(archive, *contents, contents[0])
    assert not again.studies[0].created
    assert again.studies[0].new_instances == 0
    assert await store.read(*first.studies[0].reference.split("/")) == version


async def test_a_later_upload_completes_the_study(archive, store) -> None:
    contents = series_of(5)
    await upload(archive, *contents[:2])
    done = await upload(archive, *contents)
    assert done.studies[0].new_instances == 3
    resource = orjson.loads((await store.read(*done.studies[0].reference.split("/"))).content)
    assert resource["numberOfInstances"] == 5
    assert [one["number"] for one in resource["series"][0]["instance"]] == [1, 2, 3, 4, 5]
    assert resource["meta"]["versionId"] == "2"


async def test_uploads_of_one_study_at_the_same_time_lose_nothing(archive, store) -> None:
    contents = series_of(8)
    await asyncio.gather(*(upload(archive, content) for content in contents))
    [done] = (await upload(archive, *contents)).studies
    assert done.new_instances == 0
    resource = orjson.loads((await store.read(*done.reference.split("/"))).content)
    assert resource["numberOfInstances"] == len(resource["series"][0]["instance"]) == 8


async def test_two_studies_of_one_patient_may_come_together(archive, store) -> None:
    other = variation(SOPInstanceUID="1.2.9", StudyInstanceUID="1.2.8", SeriesInstanceUID="1.2.7")
    done = await upload(archive, variation(), other)
    assert len({study.reference for study in done.studies}) == 2
    assert (await stored_types(store))["ImagingStudy"] == 2


REFUSED = {
    "empty file": (lambda: [b""], "empty"),
    "text": (lambda: [b"this is no image at all"], "not-an-image"),
    "truncated": (lambda: [variation()[:-500]], "truncated"),
    "good then truncated": (
        lambda: [variation(), variation(SOPInstanceUID="1.2.3")[:-500]],
        "truncated",
    ),
    "corrupt": (lambda: [sample("badVR.dcm").read_bytes()], "corrupt"),
    "no UIDs": (lambda: [variation(StudyInstanceUID=None)], "invalid-object"),
    "broken UID": (lambda: [variation(StudyInstanceUID="not/a/uid")], "invalid-object"),
    "bomb": (
        lambda: [variation("MR_small_jp2klossless.dcm", Rows=65535, Columns=65535)],
        "too-large",
    ),
    "dicomdir": (lambda: [sample("DICOMDIR").read_bytes()], "not-an-image"),
    "gzip": (lambda: [gzip.compress(variation())], "unsupported"),
    "png cut": (lambda: [png()[:-40]], "truncated"),
    "nifti cut": (
        lambda: [nibabel.Nifti1Image(np.zeros((9, 9, 9), np.int16), np.eye(4)).to_bytes()[:-10]],
        "truncated",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_bad_file_is_refused_by_number_and_leaves_nothing_behind(
    archive, store, tmp_path: Path, case: str
) -> None:
    make, code = REFUSED[case]
    contents = make()
    with pytest.raises(PartError) as refused:
        await upload(archive, *contents)
    assert refused.value.code == code
    assert refused.value.index == len(contents) - 1
    assert await stored_types(store) == {}
    assert files_below(tmp_path / "data") == []


@pytest.mark.parametrize(
    "difference",
    [
        {"PatientID": "another"},
        {"PatientName": "Another^Person"},
        {"PatientBirthDate": "19990101"},
        {"IssuerOfPatientID": "another hospital"},
    ],
)
async def test_files_of_two_patients_are_refused_together(
    archive, store, tmp_path: Path, difference: dict[str, str]
) -> None:
    base = {"PatientBirthDate": "20000101", "IssuerOfPatientID": "hospital"}
    other = variation(SOPInstanceUID="1.2.3", **(base | difference))
    with pytest.raises(MixedPatients) as refused:
        await upload(archive, variation(**base), other)
    assert "Another" not in str(refused.value)
    assert await stored_types(store) == {}
    assert files_below(tmp_path / "data") == []


async def test_spelling_of_a_name_makes_no_other_patient(archive) -> None:
    contents = [
        variation(PatientName="Doe^Jane"),
        variation(SOPInstanceUID="1.2.3", PatientName="DOE^JANE^^"),
        variation(SOPInstanceUID="1.2.4", PatientName=""),
    ]
    assert (await upload(archive, *contents)).studies[0].new_instances == 3


async def test_a_study_stored_for_one_patient_takes_no_files_of_another(archive, store) -> None:
    await upload(archive, variation())
    before = await stored_types(store)
    with pytest.raises(StudyConflict):
        await upload(archive, variation(SOPInstanceUID="1.2.3"), subject={"reference": "Patient/b"})
    with pytest.raises(StudyConflict):
        await upload(archive, variation(SOPInstanceUID="1.2.3", PatientID="another"))
    assert await stored_types(store) == before


async def test_an_instance_uid_with_other_content_is_refused(archive, store) -> None:
    await upload(archive, variation())
    with pytest.raises(InstanceConflict):
        await upload(archive, variation(InstanceNumber=99))
    with pytest.raises(InstanceConflict):
        await upload(
            archive,
            variation(SOPInstanceUID="1.2.3"),
            variation(SOPInstanceUID="1.2.3", InstanceNumber=99),
        )
    assert (await stored_types(store))["dicom:instance"] == 1


async def test_limits_of_an_upload_are_kept_while_it_streams(
    archive, store, tmp_path: Path
) -> None:
    small = replace(archive, upload_limits=UploadLimits(max_files=2, max_total_bytes=100_000))
    with pytest.raises(UploadTooLarge):
        await upload(small, *series_of(3))
    with pytest.raises(UploadTooLarge):
        await upload(small, variation() + bytes(100_000))
    assert await stored_types(store) == {}
    assert files_below(tmp_path / "data") == []


async def test_no_files_are_an_error(archive) -> None:
    with pytest.raises(EmptyUpload):
        await upload(archive)


async def test_a_sender_that_goes_away_leaves_nothing(archive, store, tmp_path: Path) -> None:
    async def pieces():
        yield variation()[:10_000]
        raise ConnectionResetError

    async def broken():
        async for part in parts(variation()):
            yield part
        yield Part(pieces())

    async def subject_of(_patient):
        return PATIENT

    with pytest.raises(ConnectionResetError):
        await ingest(archive, broken(), subject_of)
    assert await stored_types(store) == {}
    assert files_below(tmp_path / "data") == []


async def test_a_full_disk_is_the_stores_error_and_leaves_nothing(
    archive, store, tmp_path: Path, monkeypatch
) -> None:
    """/dev/full fails every write with ENOSPC."""
    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r": opened(
            Path("/dev/full") if mode == "xb" else path, "wb" if mode == "xb" else mode
        ),
    )
    with pytest.raises(StoreUnavailable):
        await upload(archive, variation())
    assert await stored_types(store) == {}
    assert files_below(tmp_path / "data") == []


async def test_pictures_become_one_study_with_uids_that_a_repeat_makes_again(
    archive, store
) -> None:
    described = lambda: Described(modality="CR", body_part="chest")  # noqa: E731
    first = await upload(archive, png(1), png(2), described=described)
    again = await upload(archive, png(2), png(1), described=described)
    assert first.studies[0].reference == again.studies[0].reference
    assert again.studies[0].new_instances == 0
    resource = first.studies[0].resource
    assert resource["series"][0]["modality"]["code"] == "CR"
    assert resource["series"][0]["bodySite"]["code"] == "816094009"
    assert {one.format for one in first.studies[0].instances} == {Format.PNG}
    other = await upload(archive, png(1), png(2), subject={"reference": "Patient/other"})
    assert other.studies[0].study_instance_uid != first.studies[0].study_instance_uid


async def test_a_nifti_volume_counts_its_slices(archive) -> None:
    content = gzip.compress(
        nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)).to_bytes()
    )
    done = await upload(archive, content)
    assert done.studies[0].instances[0].frames == 6


async def test_a_description_that_is_no_modality_is_refused(archive) -> None:
    with pytest.raises(ArchiveError):
        await upload(archive, png(), described=lambda: Described(modality="x-ray!"))


async def test_objects_without_pixels_are_stored_too(archive) -> None:
    """A structured report is part of its study."""
    done = await upload(archive, sample("reportsi.dcm").read_bytes())
    assert done.studies[0].instances[0].frames == 0


async def test_memory_stays_flat_while_a_large_file_streams(archive) -> None:
    size = 300 * 1024 * 1024
    header = variation("MR_small.dcm", NumberOfFrames=size // 8192)
    head = header[: header.rindex(b"\xe0\x7f\x10\x00OW") + 8] + size.to_bytes(4, "little")

    async def pieces():
        yield head
        for _ in range(size // 1024 // 1024):
            yield bytes(1024 * 1024)

    async def one():
        yield Part(pieces())

    async def subject_of(_patient):
        return PATIENT

    tracemalloc.start()
    done = await ingest(archive, one(), subject_of)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert done.studies[0].instances[0].size_bytes > size
    assert peak < 40 * 1024 * 1024
