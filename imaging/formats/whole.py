"""Whether a file that is not DICOM is whole, without holding it in memory."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace
from typing import BinaryIO

from imaging.errors import CorruptImage, TruncatedImage
from imaging.formats.image import Format
from imaging.formats.limits import Limits

_CHUNK_BYTES = 1024 * 1024
_MAX_RASTER_PIXELS = 128 * 1024 * 1024


def check_whole(stream: BinaryIO, format: Format, limits: Limits) -> int:
    """Checks a NIfTI, TIFF, JPEG or PNG and answers its number of frames (slices, pages).

    JPEG and PNG are decoded: they are small, and nothing less tells.

    Raises:
        ImageError: see imaging/errors.py.
    """
    if format in {Format.NIFTI, Format.NIFTI_GZ}:
        from imaging.formats.nifti import check_nifti

        return check_nifti(stream, format, limits)
    if format is Format.TIFF:
        from imaging.formats.tiff import check_tiff

        return check_tiff(stream, limits)
    from imaging.formats.raster import read_raster

    bound = min(limits.max_frame_pixels, _MAX_RASTER_PIXELS)
    read_raster(stream, format, replace(limits, max_frame_pixels=bound))
    return 1


def count_inflated(stream: BinaryIO, needed: int) -> int:
    """Inflates up to ``needed`` bytes of gzip data in steps and answers how many there were.

    Raises:
        TruncatedImage, CorruptImage.
    """
    total = 0
    try:
        with gzip.GzipFile(fileobj=stream) as inflated:
            while total < needed:
                chunk = inflated.read(min(_CHUNK_BYTES, needed - total))
                if not chunk:
                    break
                total += len(chunk)
    except EOFError as exc:
        raise TruncatedImage("the gzip data ends early") from exc
    except (zlib.error, gzip.BadGzipFile) as exc:
        raise CorruptImage("the gzip data is damaged") from exc
    return total
