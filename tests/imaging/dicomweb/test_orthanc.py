"""Our client against somebody else's server, and somebody else's server against ours: Orthanc with its DICOMweb plugin.

https://orthanc.uclouvain.be/book/plugins/dicomweb.html
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest

from imaging.archive.attributes import first, tag
from imaging.dicomweb.client import DicomWebClient
from imaging.dicomweb.errors import Answered
from imaging.formats import read
from tests.imaging.conftest import sample
from tests.imaging.dicomweb.live import served

ORTHANC = shutil.which("Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
NAMES = ["CT_small.dcm", "RG3_J2KI.dcm", "MR_small_RLE.dcm", "examples_ybr_color.dcm"]

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        ORTHANC is None or not PLUGIN.is_file(),
        reason="Orthanc with its DICOMweb plugin is not installed (Debian: orthanc orthanc-dicomweb)",
    ),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a fresh Orthanc."""
    directory = tmp_path_factory.mktemp("orthanc")
    port = free_port()
    configuration = {
        "StorageDirectory": str(directory / "storage"),
        "IndexDirectory": str(directory / "index"),
        "HttpPort": port,
        "DicomPort": free_port(),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    path = directory / "orthanc.json"
    path.write_text(json.dumps(configuration))
    assert ORTHANC is not None
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([ORTHANC, str(path)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                if httpx.get(f"{url}/system").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"{url}/dicom-web"
    finally:
        process.terminate()
        process.wait(30)


def uids(name: str) -> tuple[str, str, str]:
    dataset = pydicom.dcmread(sample(name), stop_before_pixels=True)
    return dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID


async def test_we_store_in_it_find_there_and_fetch_from_it(orthanc: str, tmp_path: Path) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        client = DicomWebClient(http, orthanc)
        answer = await client.store([sample(name) for name in NAMES])
        assert len(answer[tag("ReferencedSOPSequence")]["Value"]) == len(NAMES)
        found = await client.search("studies", {"PatientID": "1CT1"})
        assert [first(study, "PatientID") for study in found] == ["1CT1"]
        for name in NAMES:
            study, series, instance = uids(name)
            [by_study] = await client.fetch_study(tmp_path, study)
            by_instance = await client.fetch_instance(tmp_path, study, series, instance)
            for fetched in (by_study, by_instance):
                assert fetched.content_type == "application/dicom"
                assert (read(fetched.path).pixels == read(sample(name)).pixels).all()
        with pytest.raises(Answered) as refused:
            await client.fetch_study(tmp_path, "1.2.3.4.5")
        assert refused.value.status == 404


async def test_it_sends_to_us_and_queries_us(orthanc: str, tmp_path: Path) -> None:
    """Orthanc's own DICOMweb client does STOW-RS, QIDO-RS and WADO-RS against our server."""
    root = orthanc.removesuffix("dicom-web")
    with served(tmp_path / "data") as ours:
        async with httpx.AsyncClient(timeout=60) as http:
            await DicomWebClient(http, orthanc).store([sample(name) for name in NAMES])
            server = f"{orthanc}/servers/ours"
            assert (await http.put(server, json={"Url": ours})).is_success
            instances = (await http.get(f"{root}instances")).json()
            sent = await http.post(
                f"{server}/stow", json={"Resources": instances, "Synchronous": True}
            )
            assert sent.is_success, sent.text
            assert len(await DicomWebClient(http, ours).search("instances")) == len(NAMES)
            asked = {"Uri": "/studies", "Arguments": {"PatientID": "1CT1"}}
            answer = await http.post(f"{server}/get", json=asked)
            assert [first(study, "PatientID") for study in answer.json()] == ["1CT1"]
            for instance in instances:
                await http.delete(f"{root}instances/{instance}")
            study = uids("CT_small.dcm")[0]
            retrieved = await http.post(
                f"{server}/retrieve", json={"Resources": [{"Study": study}], "Synchronous": True}
            )
            assert retrieved.is_success, retrieved.text
            [back] = await DicomWebClient(http, orthanc).search("studies")
            assert first(back, "StudyInstanceUID") == study
