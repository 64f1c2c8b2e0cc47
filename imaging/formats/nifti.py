"""NIfTI-1 and NIfTI-2, single file, plain or gzip, by nibabel.

https://nifti.nimh.nih.gov/nifti-1. Axes are brought to the nearest of DICOM's (slices towards the head, rows towards the back,
columns towards the left), by flips and swaps only, and world coordinates from RAS to LPS.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias, TypeVar, cast

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.orientations import io_orientation

from imaging.errors import CorruptImage, ImageError, TruncatedImage, UnsupportedImage
from imaging.formats.grayscale import Grayscale, Rescale, Window, WindowFunction
from imaging.formats.image import Format, Image, Kind, Sourced
from imaging.formats.limits import Limits, check_size
from imaging.formats.slices import to_affine
from imaging.formats.whole import count_inflated

T = TypeVar("T")
_nearest_axes: Any = io_orientation
Header: TypeAlias = Any
"""nibabel's Nifti1Header or Nifti2Header (it publishes no types)."""

_HEADER_BYTES = 544
_SPACE_UNITS_MM = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
_INTENSITY_QUANTILES = (0.005, 0.995)


def read_nifti(stream: BinaryIO, format: Format, limits: Limits) -> Image:
    """Reads a NIfTI image: 2-D single, 3-D volume, 4-D (time) as frames, all slices of the first time point first.

    Raises:
        ImageError: see imaging/errors.py.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    data = _inflated(stream, format)

    def image() -> Image:
        header = _header(data)
        return _image(header, _stored_values(_layout(header, limits, size), data), format)

    return _translated(image)


def _inflated(stream: BinaryIO, format: Format) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if format is Format.NIFTI_GZ else stream


def _translated(work: Callable[[], T]) -> T:
    """Runs ``work`` with the errors of gzip and nibabel as ours."""
    try:
        return work()
    except ImageError:
        raise
    except EOFError as exc:
        raise TruncatedImage("the gzip data of the NIfTI ends early") from exc
    except (zlib.error, gzip.BadGzipFile) as exc:
        raise CorruptImage("the gzip data of the NIfTI is damaged") from exc
    except Exception as exc:  # nibabel raises what it meets in damaged headers
        raise CorruptImage(f"the NIfTI cannot be read ({type(exc).__name__})") from exc


def _header(data: BinaryIO) -> Header:
    head = data.read(_HEADER_BYTES)
    if len(head) < 348:
        raise TruncatedImage("the NIfTI header ends early")
    header_class: Any = nibabel.Nifti1Header if head[344:347] == b"n+1" else nibabel.Nifti2Header
    return header_class.from_fileobj(io.BytesIO(head), check=False)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the array lies and what it is made of."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def _layout(header: Header, limits: Limits, size: int) -> _Layout:
    shape = tuple(int(length) for length in header.get_data_shape())
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4:
        raise UnsupportedImage(f"a NIfTI of {len(shape)} dimensions; 2 to 4 are read")
    dtype = header.get_data_dtype()
    if dtype.names is None and (dtype.kind not in "iuf" or dtype.itemsize > 8):
        raise UnsupportedImage("the NIfTI data type is none that is read (complex or over 64 bits)")
    check_size(
        limits,
        rows=shape[1],
        columns=shape[0],
        frames=math.prod(shape[2:]),
        bytes_per_pixel=dtype.itemsize,
        encoded_bytes=size,
    )
    # An offset of 0 is written by some tools; in a single file the data begins at 352 (540 + 4 for NIfTI-2) at least.
    offset = max(int(header.get_data_offset()), int(header.single_vox_offset))
    return _Layout(shape, dtype, offset)


def check_nifti(stream: BinaryIO, format: Format, limits: Limits) -> int:
    """Checks that all data is there, and answers the number of slices (of all time points).

    Raises:
        ImageError: see imaging/errors.py.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    layout = _translated(lambda: _layout(_header(_inflated(stream, format)), limits, size))
    needed = layout.offset + layout.size_bytes
    stream.seek(0)
    present = count_inflated(stream, needed) if format is Format.NIFTI_GZ else size
    if present < needed:
        raise TruncatedImage(f"{present} of {needed} bytes of the NIfTI are there")
    return math.prod(layout.shape[2:])


def _stored_values(layout: _Layout, data: BinaryIO) -> npt.NDArray[Any]:
    """The array as the file orders it: (i, j[, k[, t]])."""
    data.seek(layout.offset)
    content = data.read(layout.size_bytes)
    if len(content) < layout.size_bytes:
        raise TruncatedImage(f"{len(content)} of {layout.size_bytes} bytes of NIfTI data are there")
    values = np.frombuffer(content, dtype=layout.dtype).reshape(layout.shape, order="F")
    return values if layout.dtype.isnative else values.astype(layout.dtype.newbyteorder("="))


def _image(header: Header, stored: npt.NDArray[Any], format: Format) -> Image:
    spatial = stored if stored.ndim > 2 else stored[:, :, np.newaxis]
    affine, source = _affine_ras_mm(header)
    spatial, affine = _towards_lps(spatial, affine)
    spacing = tuple(float(x) for x in np.linalg.norm(affine[:3, :3], axis=0))
    pixels, kind = _frames(spatial)
    colour = stored.dtype.names is not None
    if kind is Kind.SINGLE:
        spacing = spacing[1:]
    return Image(
        pixels=_rgb(pixels) if colour else pixels,
        kind=kind,
        format=format,
        grayscale=() if colour else (_grayscale(header, pixels),),
        spacing_mm=Sourced(spacing, "NIfTI pixdim" if source is None else source),
        affine_lps_mm=Sourced(to_affine(affine), source) if source is not None else None,
    )


def _affine_ras_mm(header: Header) -> tuple[npt.NDArray[Any], str | None]:
    """The best affine of the header: sform, qform, or (without a source) only the voxel size."""
    unit = _SPACE_UNITS_MM.get(header.get_xyzt_units()[0], 1.0)
    for code, source in (("sform_code", "NIfTI sform"), ("qform_code", "NIfTI qform")):
        if int(header[code]) > 0:
            affine = np.array(header.get_best_affine(), dtype=np.float64)
            affine[:3] *= unit
            if abs(np.linalg.det(affine[:3, :3])) < 1e-12 or not np.isfinite(affine).all():
                raise CorruptImage(f"the {source} of the NIfTI is singular")
            return affine, source
    sizes = np.ones(3)
    zooms = np.abs(np.array(header.get_zooms()[:3], dtype=np.float64)) * unit
    sizes[: len(zooms)] = np.where(np.isfinite(zooms) & (zooms > 0), zooms, 1.0)
    return np.diag([*sizes, 1.0]), None


def _towards_lps(
    values: npt.NDArray[Any], affine_ras: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """From (i, j, k, …) in RAS to (slice, row, column, …) in LPS, to the nearest axes."""
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine = to_lps @ affine_ras
    orientation: npt.NDArray[Any] = _nearest_axes(
        affine
    )  # of each axis: which of the world's, and its sign
    for axis in range(3):
        if orientation[axis, 1] < 0:
            values = np.flip(values, axis)
            affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
            affine[:3, axis] *= -1
    axis_of_world = [int(np.flatnonzero(orientation[:, 0] == world)[0]) for world in (2, 1, 0)]
    rest = list(range(3, values.ndim))
    return values.transpose(axis_of_world + rest), affine[:, [*axis_of_world, 3]]


def _frames(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Kind]:
    if values.ndim == 4:
        times_first = np.moveaxis(values, 3, 0)
        return times_first.reshape(-1, *times_first.shape[2:]), Kind.MULTI_FRAME
    if values.shape[0] == 1:
        return np.ascontiguousarray(values[0]), Kind.SINGLE
    return np.ascontiguousarray(values), Kind.VOLUME


def _rgb(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    names = pixels.dtype.names or ()
    return np.stack([pixels[name] for name in names[:3]], axis=-1)


def _grayscale(header: Header, pixels: npt.NDArray[Any]) -> Grayscale:
    slope, intercept = header.get_slope_inter()
    rescale = Rescale(float(slope or 1.0), float(intercept or 0.0))
    low, high = float(header["cal_min"]), float(header["cal_max"])
    source = "NIfTI cal_min, cal_max"
    if not (np.isfinite(low) and np.isfinite(high) and high > low):
        source = "assumed: quantiles 0.005 to 0.995 of the values"
        finite = pixels[np.isfinite(pixels)]
        step = max(1, finite.size // 1_000_000)
        quantiles = np.quantile(finite[::step], _INTENSITY_QUANTILES) if finite.size else (0, 0)
        low, high = sorted(float(q) * rescale.slope + rescale.intercept for q in quantiles)
    if high <= low:
        return Grayscale(modality=rescale)
    window = Window((low + high) / 2, high - low, WindowFunction.LINEAR_EXACT)
    return Grayscale(modality=rescale, voi=(window,), voi_source=source)
