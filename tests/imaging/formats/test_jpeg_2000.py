"""JPEG 2000 by either of its decoders: which of them is taken changes the time, not the values.

https://dicom.nema.org/medical/dicom/current/output/chtml/part05/sect_A.4.4.html
"""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from tests.imaging.conftest import sample

FILES = (
    "693_J2KI.dcm",
    "693_J2KR.dcm",
    "JPEG2000.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "MR2_J2KI.dcm",
    "MR2_J2KR.dcm",
    "MR_small_jp2klossless.dcm",
    "RG1_J2KI.dcm",
    "RG1_J2KR.dcm",
    "RG3_J2KI.dcm",
    "SC_rgb_gdcm_KY.dcm",
    "US1_J2KI.dcm",
    "US1_J2KR.dcm",
    "emri_small_jpeg_2k_lossless.dcm",
    "examples_jpeg2k.dcm",
)
"""Lossless and lossy, 8 to 16 bit, signed and unsigned, grey and colour, one frame and several."""


@pytest.mark.parametrize("name", FILES)
def test_both_decoders_give_the_same_values(name: str) -> None:
    dataset = pydicom.dcmread(sample(name))
    values = []
    for plugin in ("pillow", "pylibjpeg"):
        dataset.pixel_array_options(decoding_plugin=plugin)
        values.append(dataset.pixel_array)
    assert values[0].dtype == values[1].dtype
    assert np.array_equal(*values)
