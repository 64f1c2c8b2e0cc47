"""Small DICOM radiographs for load: the demo radiograph, made smaller, under fresh UIDs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

WHOLE_HEIGHT_PIXELS = 1955
"""The demo radiograph as it is."""


def small_radiographs(count: int, size_pixels: int = 512) -> list[bytes]:
    """``count`` DICOM files of one instance each, every one a study of its own, about ``size_pixels`` high."""
    path = get_testdata_file("RG1_J2KI.dcm", download=False)
    assert path is not None, "pydicom-data is not installed"
    source = dcmread(Path(str(path)))
    step = max(1, source.Rows // size_pixels)
    pixels = np.ascontiguousarray(source.pixel_array[::step, ::step])
    source.Rows, source.Columns = pixels.shape
    source.PixelData = pixels.tobytes()
    source["PixelData"].VR = "OW"
    source["PixelData"].is_undefined_length = False
    source.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    files = []
    for _ in range(count):
        source.StudyInstanceUID, source.SeriesInstanceUID = generate_uid(), generate_uid()
        source.SOPInstanceUID = generate_uid()
        source.file_meta.MediaStorageSOPInstanceUID = source.SOPInstanceUID
        buffer = BytesIO()
        source.save_as(buffer, enforce_file_format=True)
        files.append(buffer.getvalue())
    return files
