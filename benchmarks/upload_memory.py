"""(e) A large upload streams: the API process does not grow with it."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    generate_uid,
)

from benchmarks.machine import table
from benchmarks.memory import watched
from tests.deployment import OPERATOR_TOKEN, Deployment

ROWS = COLUMNS = 1024
BOUNDARY = "benchmark-boundary"
CHUNK = bytes(range(256)) * 4096


def run(options: argparse.Namespace) -> None:
    """Prints resident memory before and at the peak of one upload."""
    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(Path(folder) / "data", arguments=("--no-worker",))
        deployment.start()
        try:
            with deployment.client() as client:
                client.put(
                    "/Patient/upload", json={"resourceType": "Patient", "id": "upload"}
                ).raise_for_status()
            with watched(deployment.processes("api")) as peak:
                started_s = time.monotonic()
                answer = httpx.post(
                    f"{deployment.url}/api/v1/studies",
                    content=_body(options.upload_mib),
                    headers={
                        "Authorization": f"Bearer {OPERATOR_TOKEN}",
                        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
                    },
                    timeout=600,
                    trust_env=False,
                )
                seconds = time.monotonic() - started_s
            answer.raise_for_status()
        finally:
            deployment.kill()
    growth = peak.peak_mib - peak.start_mib
    row = (
        options.upload_mib,
        f"{seconds:.1f}",
        f"{options.upload_mib / seconds:.0f}",
        f"{peak.start_mib:.0f}",
        f"{peak.peak_mib:.0f}",
        f"{growth:.0f}",
    )
    print(table(("upload MiB", "seconds", "MiB/s", "before MiB", "peak MiB", "growth MiB"), [row]))


def _body(size_mib: int) -> Iterator[bytes]:
    """A multipart form with one multi-frame DICOM file of ``size_mib`` MiB, a frame a MiB."""
    head = _head(size_mib)
    yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="large.dcm"\r\n\r\n'.encode()
    yield head
    for _ in range(size_mib):
        yield CHUNK
    yield f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="patient"\r\n\r\nPatient/upload\r\n--{BOUNDARY}--\r\n'.encode()


def _head(frames: int) -> bytes:
    """Everything of the file before the pixels."""
    dataset = Dataset()
    dataset.SOPClassUID = MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.ConversionType = "OT", "SYN"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames, ROWS, COLUMNS
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = (
        8,
        8,
        7,
        0,
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    length = frames * ROWS * COLUMNS
    return buffer.getvalue() + b"\xe0\x7f\x10\x00OB\x00\x00" + length.to_bytes(4, "little")
