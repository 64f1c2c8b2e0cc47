"""One way in: bytes or a file of any format → ``Image``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from imaging.formats.detect import HEAD_BYTES, detect
from imaging.formats.dicom import read_dicom
from imaging.formats.image import Format, Image
from imaging.formats.limits import Limits


def read(
    source: Path | str | bytes | BinaryIO, *, limits: Limits | None = None, frame: int | None = None
) -> Image:
    """Reads an image, its format told by its content.

    ``frame`` reads one frame (or slice) only, as a single image; DICOM then decodes no other. It counts in stored
    order.

    Raises:
        ImageError: what is wrong with the file; see imaging/errors.py.
        IndexError: there is no such frame.
        OSError: the file cannot be opened.
    """
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), limits or Limits(), frame)
    if isinstance(source, (str, Path)):
        with Path(source).open("rb") as stream:
            return _read(stream, limits or Limits(), frame)
    return _read(source, limits or Limits(), frame)


def _read(stream: BinaryIO, limits: Limits, frame: int | None) -> Image:
    stream.seek(0)
    format = detect(stream.read(HEAD_BYTES))
    if format is Format.DICOM:
        return read_dicom(stream, limits, frame)
    if format in {Format.NIFTI, Format.NIFTI_GZ}:
        from imaging.formats.nifti import read_nifti

        image = read_nifti(stream, format, limits)
    elif format is Format.TIFF:
        from imaging.formats.tiff import read_tiff

        image = read_tiff(stream, limits)
    else:
        from imaging.formats.raster import read_raster

        image = read_raster(stream, format, limits)
    return image if frame is None else image.only(frame)
