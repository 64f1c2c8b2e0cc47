"""A DICOMweb client that is not ours (https://github.com/ImagingDataCommons/dicomweb-client) over real HTTP."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest

from imaging.formats import read
from tests.imaging.conftest import sample
from tests.imaging.dicomweb.live import served
from tests.imaging.uploads import series_of

dicomweb_client = pytest.importorskip("dicomweb_client", reason="dicomweb-client is not installed")

CT = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    with served(tmp_path_factory.mktemp("archive")) as url:
        client = dicomweb_client.DICOMwebClient(url)
        contents = [
            *series_of(3),
            sample("RG3_J2KI.dcm").read_bytes(),
            sample("rtdose.dcm").read_bytes(),
        ]
        answer = client.store_instances(
            [pydicom.dcmread(io.BytesIO(content)) for content in contents]
        )
        assert len(answer.ReferencedSOPSequence) == 5
        yield client


def place(name: str) -> tuple[str, str, str]:
    dataset = pydicom.dcmread(sample(name), stop_before_pixels=True)
    return dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID


def test_it_searches(client) -> None:
    assert len(client.search_for_studies()) == 3
    assert len(client.search_for_studies(search_filters={"PatientID": "nobody"})) == 0
    [series] = client.search_for_series(search_filters={"Modality": "RTDOSE"})
    assert pydicom.Dataset.from_json(series).Modality == "RTDOSE"
    assert len(client.search_for_instances(CT, limit=2)) == 2
    found = client.search_for_studies(fuzzymatching=True, fields=["StudyDescription"])
    assert len(found) == 3


def test_it_retrieves_studies_series_and_instances(client) -> None:
    assert len(client.retrieve_study(CT)) == 3
    study, series, instance = place("RG3_J2KI.dcm")
    assert len(client.retrieve_series(study, series)) == 1
    plain = client.retrieve_instance(study, series, instance)
    assert np.array_equal(plain.pixel_array, read(sample("RG3_J2KI.dcm")).pixels)
    compressed = client.retrieve_instance(
        study, series, instance, media_types=(("application/dicom", "*"),)
    )
    assert compressed.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.91"
    assert sum(1 for _ in client.iter_study(CT)) == 3


def test_it_retrieves_metadata(client) -> None:
    study, series, instance = place("rtdose.dcm")
    metadata = client.retrieve_instance_metadata(study, series, instance)
    dataset = pydicom.Dataset.from_json(metadata, lambda *_: b"")
    assert (dataset.SOPInstanceUID, dataset.NumberOfFrames) == (instance, 15)
    assert len(client.retrieve_study_metadata(CT)) == 3
    [bulk] = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert bulk == pydicom.dcmread(sample("rtdose.dcm")).PixelData


def test_it_retrieves_frames(client) -> None:
    study, series, instance = place("rtdose.dcm")
    frames = client.retrieve_instance_frames(study, series, instance, [1, 15])
    expected = read(sample("rtdose.dcm")).pixels
    assert frames == [expected[0].tobytes(), expected[14].tobytes()]
    study, series, instance = place("RG3_J2KI.dcm")
    [stream] = client.retrieve_instance_frames(
        study, series, instance, [1], media_types=("image/jp2",)
    )
    assert stream.startswith(b"\xff\x4f\xff\x51")


def test_it_retrieves_pictures(client) -> None:
    study, series, instance = place("RG3_J2KI.dcm")
    png = client.retrieve_instance_rendered(
        study, series, instance, media_types=("image/png",), params={"viewport": "200,200"}
    )
    assert png.startswith(b"\x89PNG")
    study, series, instance = place("rtdose.dcm")
    jpeg = client.retrieve_instance_frames_rendered(
        study, series, instance, [3], media_types=("image/jpeg",)
    )
    assert jpeg.startswith(b"\xff\xd8")


def test_it_learns_what_is_not_there(client) -> None:
    import requests

    with pytest.raises(requests.HTTPError) as refused:
        client.retrieve_study("1.2.3")
    assert refused.value.response.status_code == 404


def test_it_stores_one_file_twice(client) -> None:
    dataset = pydicom.dcmread(Path(sample("MR_small.dcm")))
    for _ in range(2):
        assert len(client.store_instances([dataset]).ReferencedSOPSequence) == 1
