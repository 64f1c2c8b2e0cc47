"""Damage and bombs: a clear error, before anything large is decoded."""

from __future__ import annotations

import gzip
import io
import struct
import zlib

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from pydicom.uid import DeflatedExplicitVRLittleEndian

from imaging.errors import (
    CorruptImage,
    EmptyFile,
    ImageError,
    ImageTooLarge,
    NotAnImage,
    TruncatedImage,
    UnsupportedImage,
)
from imaging.formats import Limits, read


def test_nothing_is_empty() -> None:
    with pytest.raises(EmptyFile):
        read(b"")


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"%PDF-1.7 " + bytes(200),
        b"PK\x03\x04" + bytes(200),
        bytes(4096),
        b"<html></html>",
    ],
)
def test_what_is_no_image_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(NotAnImage):
        read(content)


def test_a_dicom_file_without_preamble_is_read(sample_file) -> None:
    whole = sample_file("CT_small.dcm").read_bytes()
    assert np.array_equal(read(whole[132:]).pixels, read(whole).pixels)


def test_a_dicom_image_that_claims_65535_squared_pixels_is_refused_undecoded(sample_file) -> None:
    dataset = pydicom.dcmread(sample_file("MR_small_jp2klossless.dcm"))
    dataset.Rows = dataset.Columns = 65535
    target = io.BytesIO()
    dataset.save_as(target)
    with pytest.raises(ImageTooLarge):
        read(target.getvalue())


def test_many_frames_of_little_data_are_taken_for_a_bomb(sample_file) -> None:
    dataset = pydicom.dcmread(sample_file("MR_small_jp2klossless.dcm"))
    dataset.NumberOfFrames = 400_000
    target = io.BytesIO()
    dataset.save_as(target)
    with pytest.raises(ImageTooLarge, match="bomb"):
        read(target.getvalue())


def test_a_deflated_data_set_that_grows_without_end_is_stopped(sample_file, monkeypatch) -> None:
    """PS3.5 A.5. The limit is lowered here, so that the test stays small."""
    monkeypatch.setattr("imaging.formats.dicom_header._MAX_INFLATED_BYTES", 8 * 1024 * 1024)
    dataset = pydicom.dcmread(sample_file("CT_small.dcm"))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.add_new(0x00091001, "OB", bytes(32 * 1024 * 1024))
    target = io.BytesIO()
    dataset.save_as(target)
    assert len(target.getvalue()) < 1024 * 1024
    with pytest.raises(ImageTooLarge):
        read(target.getvalue())


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_png_that_claims_a_billion_pixels_is_refused_undecoded() -> None:
    with pytest.raises(ImageTooLarge):
        read(png_header(60000, 60000))
    with pytest.raises(ImageTooLarge):
        read(png_header(20000, 5000), limits=Limits(max_frame_pixels=50_000_000))


def nifti(shape: tuple[int, ...], data: bytes) -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *([1] * (7 - len(shape))))
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, *([1.0] * 8))
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    return bytes(header) + data


def test_a_gzipped_nifti_that_claims_terabytes_is_refused_undecoded() -> None:
    with pytest.raises(ImageTooLarge):
        read(gzip.compress(nifti((30000, 30000, 30000), b"")))


def test_a_gzipped_nifti_bomb_is_refused_by_its_ratio() -> None:
    content = gzip.compress(nifti((1024, 1024, 512), b"\0" * (1024 * 1024)))
    with pytest.raises(ImageTooLarge, match="bomb"):
        read(content)


def test_a_nifti_with_its_pixels_elsewhere_says_so() -> None:
    content = bytearray(nifti((4, 4, 4), bytes(64)))
    content[344:348] = b"ni1\0"
    with pytest.raises(UnsupportedImage, match="another file"):
        read(bytes(content))


@pytest.mark.parametrize("cut", [0.2, 0.6, 0.95])
@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "RG3_J2KI.dcm",
        "JPEG-LL.dcm",
        "emri_small_jpeg_ls_lossless.dcm",
        "image_dfl.dcm",
    ],
)
def test_a_dicom_file_that_ends_early_is_refused(sample_file, name: str, cut: float) -> None:
    whole = sample_file(name).read_bytes()
    with pytest.raises(ImageError) as refused:
        read(whole[: int(len(whole) * cut)])
    assert refused.value.code in {"truncated", "corrupt", "not-an-image"}


def test_a_code_stream_cut_short_inside_a_whole_file_is_found(sample_file) -> None:
    """OpenJPEG would fill in the rest of the image in silence."""
    from pydicom.encaps import encapsulate, generate_frames

    dataset = pydicom.dcmread(sample_file("MR_small_jp2klossless.dcm"))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([frame[: len(frame) // 2]])
    target = io.BytesIO()
    dataset.save_as(target)
    with pytest.raises(TruncatedImage):
        read(target.getvalue())


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_picture_that_ends_early_is_refused(format: str) -> None:
    rng = np.random.default_rng(1)
    target = io.BytesIO()
    PillowImage.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(target, format)
    content = target.getvalue()
    with pytest.raises(CorruptImage):
        read(content[: len(content) * 2 // 3])


def test_error_texts_hold_nothing_of_the_patient(sample_file) -> None:
    dataset = pydicom.dcmread(sample_file("MR_small.dcm"))
    dataset.PatientName, dataset.PatientID = "Secret^Person", "SECRET-1"
    dataset.PhotometricInterpretation = "Secret^Person"
    target = io.BytesIO()
    dataset.save_as(target)
    whole = target.getvalue()
    for content in (whole, whole[:-100], whole[: len(whole) // 2], whole[:400]):
        with pytest.raises(ImageError) as refused:
            read(content)
        assert "secret" not in str(refused.value).lower()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_any_damage_ends_in_an_image_or_an_image_error(sample_file, data) -> None:
    """Bytes overwritten anywhere: never another exception, never a crash."""
    name = data.draw(
        st.sampled_from(
            [
                "CT_small.dcm",
                "MR_small_RLE.dcm",
                "SC_rgb_small_odd.dcm",
                "eCT_Supplemental.dcm",
                "vlut_04.dcm",
            ]
        )
    )
    content = bytearray(sample_file(name).read_bytes())
    head = min(len(content), 4096)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, head - 1))] = data.draw(st.integers(0, 255))
    limits = Limits(max_decoded_bytes=64 * 1024 * 1024)
    try:
        image = read(bytes(content), limits=limits)
        image.display(0)
    except ImageError:
        pass


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=2000),
    st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"II*\0", b"\xff\xd8\xff", bytes(128) + b"DICM", b"\x1f\x8b"]
    ),
)
@pytest.mark.filterwarnings("ignore")
def test_any_bytes_behind_any_signature_end_in_an_image_error(
    content: bytes, signature: bytes
) -> None:
    with pytest.raises(ImageError):
        read(signature + content)
