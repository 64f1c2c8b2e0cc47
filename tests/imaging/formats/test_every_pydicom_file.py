"""Every file of pydicom and pydicom-data is decoded or refused with the code that says why.

The files cover implicit, explicit, big-endian and deflated syntaxes, RLE, JPEG (8 and 12 bit, lossless), JPEG-LS, JPEG 2000,
all photometric interpretations in use, 1 to 64 bits, multi-frame, enhanced, missing preambles and damage of several kinds.
https://dicom.nema.org/medical/dicom/current/output/chtml/part05/chapter_10.html
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pytest

from imaging.errors import ImageError
from imaging.formats import Kind, read

REFUSED = {
    # 12-bit JPEG: no decoder with a permissive licence reads it.
    "JPEG-lossy.dcm": "unsupported",
    "JPGExtended.dcm": "unsupported",
    # Its code stream's header is overwritten.
    "JPEG2000-embedded-sequence-delimiter.dcm": "corrupt",
    "MR_truncated.dcm": "truncated",
    "rtplan_truncated.dcm": "truncated",
    # JPEG behind a transfer syntax that says uncompressed.
    "SC_rgb_jpeg.dcm": "truncated",
    "badVR.dcm": "corrupt",
    # Pixel data without rows and columns.
    "meta_missing_tsyntax.dcm": "corrupt",
    "nested_priv_SQ.dcm": "corrupt",
    # Whole DICOM objects without pixels.
    "ExplVR_BigEndNoMeta.dcm": "not-an-image",
    "ExplVR_LitEndNoMeta.dcm": "not-an-image",
    "UN_sequence.dcm": "not-an-image",
    "empty_charset_LEI.dcm": "not-an-image",
    "no_meta_group_length.dcm": "not-an-image",
    "priv_SQ.dcm": "not-an-image",
    "reportsi.dcm": "not-an-image",
    "reportsi_with_empty_number_tags.dcm": "not-an-image",
    "rtplan.dcm": "not-an-image",
    "rtstruct.dcm": "not-an-image",
    "test-SR.dcm": "not-an-image",
    "waveform_ecg.dcm": "not-an-image",
    # Its first byte is missing.
    "no_meta.dcm": "not-an-image",
    # A gzipped DICOM file.
    "zipMR.gz": "unsupported",
    # Not DICOM at all.
    "README": "not-an-image",
    "README.txt": "not-an-image",
    "crayons.icc": "not-an-image",
    "rtplan.dump": "not-an-image",
    "rtstruct.dump": "not-an-image",
    "test1.json": "not-an-image",
    "test_PN.json": "not-an-image",
}


def expected_refusal(path: Path) -> str | None:
    if path.name.startswith("DICOMDIR") or path.name.startswith("IM0000"):
        return "not-an-image"  # directories, and CT objects stripped of their pixels
    return REFUSED.get(path.name)


def every_file() -> list[Path]:
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    extra = Path(str(files(data_store).joinpath("data")))
    return sorted(path for root in (bundled, extra) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", every_file(), ids=lambda path: path.name)
def test_the_file_is_decoded_or_refused_with_the_right_code(path: Path) -> None:
    refusal = expected_refusal(path)
    if refusal is not None:
        with pytest.raises(ImageError) as refused:
            read(path)
        assert refused.value.code == refusal
        return
    image = read(path)
    assert image.pixels.dtype.isnative
    shape = image.pixels.shape[1:] if image.kind is not Kind.SINGLE else image.pixels.shape
    assert shape == (image.rows, image.columns, 3)[: 3 if image.colour else 2]
    shades = image.display(image.frames // 2)
    assert shades.shape == (image.rows, image.columns)
    assert shades.dtype == np.float32
    assert np.isfinite(shades).all()
    assert shades.min() >= 0
    assert shades.max() <= 1


@pytest.mark.parametrize(
    ("compressed", "plain"),
    [
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_implicit.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("693_J2KR.dcm", "693_UNCR.dcm"),
        ("RG1_J2KR.dcm", "RG1_UNCR.dcm"),
        ("RG3_J2KR.dcm", "RG3_UNCR.dcm"),
        ("US1_J2KR.dcm", "US1_UNCR.dcm"),
        ("emri_small_jpeg_2k_lossless.dcm", "emri_small.dcm"),
        ("emri_small_jpeg_2k_lossless_too_short.dcm", "emri_small.dcm"),
        ("emri_small_RLE.dcm", "emri_small.dcm"),
        ("SC_rgb_rle_2frame.dcm", "SC_rgb_2frame.dcm"),
        ("SC_rgb_rle_16bit.dcm", "SC_rgb_16bit.dcm"),
        ("SC_rgb_expb_32bit_2frame.dcm", "SC_rgb_32bit_2frame.dcm"),
        ("rtdose_rle.dcm", "rtdose.dcm"),
        ("liver_expb.dcm", "liver.dcm"),
        ("color-pl.dcm", "color-px.dcm"),
    ],
)
def test_lossless_syntaxes_give_the_same_pixels_as_their_uncompressed_twins(
    sample_file, compressed: str, plain: str
) -> None:
    assert np.array_equal(read(sample_file(compressed)).pixels, read(sample_file(plain)).pixels)


@pytest.mark.parametrize(
    ("colour", "reference"),
    [
        ("SC_ybr_full_uncompressed.dcm", "SC_rgb.dcm"),
        ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb.dcm"),
        ("SC_rgb_jpeg_dcmtk.dcm", "SC_rgb.dcm"),
        ("SC_rgb_gdcm_KY.dcm", "SC_rgb.dcm"),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_dcmtk_ebcynp_dcmd.dcm"),
        ("SC_rgb_dcmtk_+eb+cy+s2.dcm", "SC_rgb_dcmtk_ebcys2_dcmd.dcm"),
        ("SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_dcmtk_ebcr_dcmd.dcm"),
    ],
)
def test_colour_models_end_as_the_same_rgb(sample_file, colour: str, reference: str) -> None:
    difference = read(sample_file(colour)).pixels.astype(int) - read(sample_file(reference)).pixels
    assert np.abs(difference).mean() < 2.5  # lossy; a wrong colour model differs by dozens


@pytest.mark.parametrize(
    "name", ["color3d_jpeg_baseline.dcm", "emri_small_jpeg_ls_lossless.dcm", "rtdose.dcm"]
)
def test_one_frame_read_alone_equals_that_frame_of_all(sample_file, name: str) -> None:
    path = sample_file(name)
    image = read(path)
    alone = read(path, frame=3)
    assert alone.kind is Kind.SINGLE
    assert np.array_equal(alone.pixels, image.frame(3))
    with pytest.raises(IndexError):
        read(path, frame=image.frames)


@pytest.mark.parametrize(
    ("big", "little"),
    [
        ("OBXXXX1A_expb.dcm", "OBXXXX1A.dcm"),
        ("gdcm-US-ALOKA-16_big.dcm", "gdcm-US-ALOKA-16.dcm"),
    ],
)
def test_palettes_of_big_endian_files_have_the_right_byte_order(
    sample_file, big: str, little: str
) -> None:
    assert np.array_equal(read(sample_file(big)).pixels, read(sample_file(little)).pixels)
