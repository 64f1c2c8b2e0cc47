"""JPEG 2000: the choice of the decoder changes the time, not the values; and none is asked for more than the image's size.

https://dicom.nema.org/medical/dicom/current/output/chtml/part05/sect_A.4.4.html
"""

from __future__ import annotations

import struct

import numpy as np
import pydicom
import pytest

from imaging.errors import CorruptImage
from imaging.formats import read
from imaging.formats.jpeg_2000 import check_announced
from tests.imaging.conftest import sample

CODESTREAM = b"\xff\x4f\xff\x51"

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
    assert np.array_equal(values[0], values[1])


@pytest.mark.parametrize(
    ("offset", "value"),
    [(8, 1 << 20), (12, 1 << 20), (16, 1), (40, 4)],
    ids=["wider", "higher", "moved", "more components"],
)
@pytest.mark.parametrize("frame", [None, 0])
def test_a_codestream_of_another_size_than_the_image_is_corrupt(
    offset: int, value: int, frame: int | None
) -> None:
    """ISO/IEC 15444-1 A.5.1: Xsiz, Ysiz, XOsiz, Csiz. The decoder would allocate what they say: terabytes, if it could."""
    file = bytearray(sample("693_J2KR.dcm").read_bytes())
    struct.pack_into(">H" if offset == 40 else ">L", file, file.find(CODESTREAM) + offset, value)
    with pytest.raises(CorruptImage, match="another size"):
        read(bytes(file), frame=frame)


@pytest.mark.parametrize(
    "boxes",
    [
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\0junk" + bytes(64),
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x01jp2c",
        b"\0\0\0\x0cjP  ",
        b"\xff\x4f",
        b"",
    ],
    ids=["a box without an end", "cut in its head", "no codestream", "cut", "empty"],
)
def test_what_holds_no_codestream_is_corrupt(boxes: bytes) -> None:
    """ISO/IEC 15444-1 I.4. A box of length 0 would have other readers look at it for ever."""
    with pytest.raises(CorruptImage):
        check_announced(boxes, 64, 64, 1)


def test_a_codestream_in_boxes_is_found() -> None:
    assert read(sample("GDCMJ2K_TextGBR.dcm")).rows == 400
