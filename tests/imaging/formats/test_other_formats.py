"""NIfTI, JPEG, PNG and TIFF, written by independent libraries and read back."""

from __future__ import annotations

import io
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from imaging.errors import UnsupportedImage
from imaging.formats import Format, Kind, read

RNG = np.random.default_rng(7)


def nifti_bytes(
    values: np.ndarray, affine: np.ndarray, *, version: int = 1, **header: float
) -> bytes:
    made = (nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image)(values, affine)
    made.header.set_sform(affine, code=1)
    for name, value in header.items():
        made.header[name] = value
    return made.to_bytes()


def ras_affine(code: str, spacing: tuple[float, float, float]) -> np.ndarray:
    """An affine whose array axes run towards the letters of ``code``."""
    ornt = nibabel.orientations.axcodes2ornt(tuple(code))
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, flip) in enumerate(ornt):
        affine[int(world), axis] = flip * spacing[axis]
    affine[:3, 3] = (3, -5, 11)
    return affine


@pytest.mark.parametrize("code", ["RAS", "LPS", "LIA", "ASR", "PIR", "SLA"])
@pytest.mark.parametrize("version", [1, 2])
def test_every_voxel_keeps_its_place_in_the_patient(code: str, version: int) -> None:
    """https://nifti.nimh.nih.gov/nifti-1: RAS there, LPS here; axes may be flipped and swapped, voxels may not move."""
    values = RNG.integers(0, 1000, (4, 5, 6), dtype=np.int16)
    affine = ras_affine(code, (1.0, 2.0, 3.0))
    image = read(nifti_bytes(values, affine, version=version))
    assert image.kind is Kind.VOLUME
    ours = np.array(image.affine_lps_mm.value)
    for index in np.ndindex(image.pixels.shape):
        lps = ours @ [*index, 1]
        ras = lps * [-1, -1, 1, 1]
        i, j, k = np.rint(np.linalg.inv(affine) @ ras)[:3].astype(int)
        assert image.pixels[index] == values[i, j, k]
    assert np.all(
        np.diag(ours[:3, [2, 1, 0]]) > 0
    )  # columns to the left, rows to the back, slices to the head
    assert np.allclose(image.spacing_mm.value, np.linalg.norm(ours[:3, :3], axis=0))


def test_scaling_window_and_units_of_the_header_are_used() -> None:
    values = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    content = bytearray(nifti_bytes(values, np.eye(4), cal_min=0.0, cal_max=100.0))
    header = nibabel.Nifti1Header.from_fileobj(io.BytesIO(bytes(content)), check=False)
    header.set_slope_inter(10, 5)
    header.set_xyzt_units("meter")
    header["cal_min"], header["cal_max"] = 0, 100
    content[:348] = header.binaryblock[:348]
    image = read(bytes(content))
    assert sorted(np.concatenate([image.modality_values(i).ravel() for i in range(2)])) == [
        5, 15, 25, 35, 45, 55, 65, 75,
    ]  # fmt: skip
    assert image.grayscale[0].voi_source == "NIfTI cal_min, cal_max"
    assert image.spacing_mm.value == (1000, 1000, 1000)


def test_without_a_form_there_is_spacing_but_no_place() -> None:
    made = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.uint8), None)
    made.header.set_zooms((0.5, 0.6, 0.7))
    image = read(made.to_bytes())
    assert image.affine_lps_mm is None
    assert image.spacing_mm.source == "NIfTI pixdim"
    assert sorted(image.spacing_mm.value) == pytest.approx([0.5, 0.6, 0.7])


def test_time_series_become_frames_and_single_slices_stay_single() -> None:
    values = RNG.integers(0, 100, (3, 4, 5, 2), dtype=np.uint8)
    image = read(nifti_bytes(values, np.eye(4)))
    assert (image.kind, image.frames) == (Kind.MULTI_FRAME, 10)
    assert read(nifti_bytes(values[:, :, :1, 0], np.eye(4))).kind is Kind.SINGLE


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8", ">i2", ">f4"])
def test_data_types_and_byte_orders(dtype: str) -> None:
    values = RNG.integers(0, 100, (3, 4, 5)).astype(dtype)
    header = nibabel.Nifti1Header(endianness=">" if dtype.startswith(">") else "<")
    header.set_data_dtype(np.dtype(dtype))
    made = nibabel.Nifti1Image(values, np.eye(4), header)
    image = read(made.to_bytes())
    assert image.pixels.dtype.isnative
    assert image.pixels.sum() == values.sum()


def test_complex_data_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedImage, match="complex"):
        read(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.complex64), np.eye(4)).to_bytes())


def test_gzip_is_seen_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "volume.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4)), path)
    renamed = path.rename(tmp_path / "volume.dcm")
    assert read(renamed).format is Format.NIFTI_GZ


def test_a_slice_of_a_volume_keeps_its_place() -> None:
    image = read(nifti_bytes(np.zeros((2, 3, 4), np.int16), ras_affine("LPS", (1, 2, 3))))
    third = image.only(2)
    assert third.spacing_mm.value == image.spacing_mm.value[1:]
    expected = np.array(image.affine_lps_mm.value) @ [2, 0, 0, 1]
    assert np.allclose(np.array(third.affine_lps_mm.value) @ [0, 0, 0, 1], expected)


def encoded(picture: PillowImage.Image, format: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, format, **options)
    return target.getvalue()


def test_eight_bits_are_shown_from_0_to_255() -> None:
    picture = PillowImage.fromarray(np.array([[0, 51], [102, 255]], np.uint8))
    image = read(encoded(picture, "PNG"))
    assert np.allclose(image.display(), [[0, 0.2], [0.4, 1]], atol=1e-6)
    assert "8 bits" in image.grayscale[0].voi_source


def test_sixteen_bit_png_keeps_its_depth() -> None:
    values = np.array([[100, 1000], [2000, 4095]], np.uint16)
    image = read(encoded(PillowImage.fromarray(values), "PNG"))
    assert image.pixels.tolist() == values.tolist()
    assert (image.display().min(), image.display().max()) == (0, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    """https://www.cipa.jp/std/documents/e/DC-X008-Translation-2019-E.pdf, 4.6.4, Orientation"""
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :8] = 255
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, 3),
    }[orientation]
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    stored = PillowImage.fromarray(np.ascontiguousarray(turn(upright)))
    image = read(encoded(stored, "JPEG", exif=exif, quality=100))
    assert np.abs(image.pixels.astype(int) - upright).mean() < 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_modes(mode: str) -> None:
    picture = PillowImage.fromarray(RNG.integers(0, 255, (8, 9, 3), np.uint8)).convert(mode)
    image = read(encoded(picture, "PNG"))
    assert image.colour == (mode in {"P", "RGB", "RGBA"})
    assert image.display().shape == (8, 9)


def test_transparency_is_laid_on_black() -> None:
    picture = PillowImage.new("RGBA", (2, 1), (255, 255, 255, 255))
    picture.putpixel((1, 0), (255, 255, 255, 0))
    assert np.allclose(read(encoded(picture, "PNG")).display(), [[1, 0]], atol=1e-6)


def test_a_cmyk_jpeg_is_colour() -> None:
    picture = PillowImage.new("CMYK", (8, 8), (0, 0, 0, 0))
    assert read(encoded(picture, "JPEG")).display().mean() > 0.9


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_tiff_depths_and_compressions(dtype: type, compression: str | None, bigtiff: bool) -> None:
    values = RNG.integers(0, 100, (20, 30)).astype(dtype)
    target = io.BytesIO()
    tifffile.imwrite(target, values, compression=compression, bigtiff=bigtiff)
    image = read(target.getvalue())
    assert np.array_equal(image.pixels, values)
    assert (image.kind, image.format) == (Kind.SINGLE, Format.TIFF)


@pytest.mark.parametrize(
    "compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"]
)
def test_tiff_compressions_of_pillow(compression: str) -> None:
    picture = PillowImage.fromarray(np.kron([[0, 255], [255, 0]], np.ones((8, 8))).astype(np.uint8))
    if compression == "group4":
        picture = picture.convert("1")
    image = read(encoded(picture, "TIFF", compression=compression))
    assert np.abs(image.display() - np.asarray(picture.convert("L")) / 255).max() < 0.1


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate"])
def test_sixteen_bit_tiff_of_pillow(compression: str) -> None:
    values = RNG.integers(0, 65535, (10, 12)).astype(np.uint16)
    image = read(encoded(PillowImage.fromarray(values), "TIFF", compression=compression))
    assert np.array_equal(image.pixels, values)


def test_tiff_pages_become_frames_and_white_is_zero_is_inverted() -> None:
    values = RNG.integers(0, 255, (3, 10, 12), dtype=np.uint8)
    target = io.BytesIO()
    tifffile.imwrite(target, values, photometric="miniswhite")
    image = read(target.getvalue())
    assert (image.kind, image.frames) == (Kind.MULTI_FRAME, 3)
    assert np.allclose(image.display(1), 1 - values[1] / 255, atol=1e-6)


def test_tiff_pages_of_different_size_are_refused() -> None:
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        writer.write(np.zeros((8, 8), np.uint8))
        writer.write(np.zeros((9, 9), np.uint8))
    with pytest.raises(UnsupportedImage, match="differ"):
        read(target.getvalue())


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_colour_in_either_plane_order(planar: str) -> None:
    values = RNG.integers(0, 255, (10, 12, 3), dtype=np.uint8)
    target = io.BytesIO()
    stored = values if planar == "contig" else np.moveaxis(values, -1, 0)
    tifffile.imwrite(target, stored, photometric="rgb", planarconfig=planar)
    assert np.array_equal(read(target.getvalue()).pixels, values)


def test_tiff_palettes_become_rgb() -> None:
    picture = PillowImage.fromarray(RNG.integers(0, 255, (9, 9, 3), np.uint8)).convert("P")
    image = read(encoded(picture, "TIFF"))
    assert np.array_equal(image.pixels, np.asarray(picture.convert("RGB")))
