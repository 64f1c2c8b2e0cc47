"""TIFF and BigTIFF, 8 and 16 bit and float, by tifffile; what it leaves to other codecs, by Pillow.

https://www.loc.gov/preservation/digital/formats/fdd/fdd000022.shtml
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as PillowImage

from imaging.errors import CorruptImage, ImageError, ImageTooLarge, TruncatedImage, UnsupportedImage
from imaging.formats.grayscale import Grayscale
from imaging.formats.image import Format, Image, Kind
from imaging.formats.limits import Limits, check_size
from imaging.formats.raster import full_scale

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong with a file is raised

Tiff: TypeAlias = Any
Page: TypeAlias = Any
"""tifffile's (mypy does not follow it)."""

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_OWN_CODECS = frozenset({1, 8, 32773, 32946})
"""Compressions that tifffile decodes without the imagecodecs package: none, deflate, PackBits."""
_PILLOW_CODECS = frozenset({2, 3, 4, 5, 7, 34925, 50000})
"""CCITT, LZW, JPEG, LZMA, Zstandard."""
_MAX_PAGES = 65536
_SAID_OF_TRUNCATED = ("truncated", "not enough", "incomplete")


def read_tiff(stream: BinaryIO, limits: Limits) -> Image:
    """Reads all pages, which must be alike; one page is a single image, more are frames.

    Raises:
        ImageError: see imaging/errors.py.
    """
    with _opened(stream) as tiff:
        first, count = _checked_pages(tiff, limits)
        if int(first.compression) in _OWN_CODECS:
            pages = [tiff.pages[index].asarray() for index in range(count)]
        else:
            pages = _by_pillow(stream, count)
        white_is_zero = int(first.photometric) == _WHITE_IS_ZERO
        palette = first.colormap if int(first.photometric) == _PALETTE else None
        planar = first.planarconfig == 2 and first.samplesperpixel > 1
    frames = [_rgb_or_grey(page, palette, planar=planar) for page in pages]
    pixels = frames[0] if count == 1 else np.stack(frames)
    grayscale = _grayscale(pixels, white_is_zero=white_is_zero) if frames[0].ndim == 2 else ()
    return Image(
        pixels=pixels,
        kind=Kind.SINGLE if count == 1 else Kind.MULTI_FRAME,
        format=Format.TIFF,
        grayscale=grayscale,
    )


def check_tiff(stream: BinaryIO, limits: Limits) -> int:
    """Checks that the strips and tiles of all pages lie within the file, and answers the number of pages.

    Raises:
        ImageError: see imaging/errors.py.
    """
    with _opened(stream) as tiff:
        _, count = _checked_pages(tiff, limits)
    return count


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[Tiff]:
    """An open file of tifffile, with its errors and Pillow's as ours."""
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as tiff:
            yield tiff
    except ImageError:
        raise
    except PillowImage.DecompressionBombError as exc:
        raise ImageTooLarge("the TIFF has more pixels than are decoded") from exc
    except Exception as exc:  # tifffile raises what its parsers meet in damaged input
        text = str(exc).lower()
        if isinstance(exc, EOFError) or any(word in text for word in _SAID_OF_TRUNCATED):
            raise TruncatedImage("the TIFF ends early") from exc
        raise CorruptImage(f"the TIFF is damaged ({type(exc).__name__})") from exc


def _checked_pages(tiff: Tiff, limits: Limits) -> tuple[Page, int]:
    """The first page and how many there are, once their sizes are known to be alike, within the limits and there."""
    size = int(tiff.filehandle.size)
    count = len(tiff.pages)
    if count == 0:
        raise CorruptImage("the TIFF has no page")
    if count > _MAX_PAGES:
        raise ImageTooLarge(f"the TIFF has over {_MAX_PAGES} pages")
    first = tiff.pages[0]
    if int(first.compression) not in _OWN_CODECS | _PILLOW_CODECS:
        raise UnsupportedImage(f"TIFF compression {int(first.compression)} is not decoded")
    if int(first.photometric) not in {_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR}:
        raise UnsupportedImage("the TIFF's photometric interpretation is not decoded")
    if first.imagedepth != 1 or first.dtype is None:
        raise UnsupportedImage("the TIFF's sample format is not decoded")
    form = (first.shape, first.dtype)
    for page in tiff.pages[:count]:
        if (page.shape, page.dtype) != form:
            raise UnsupportedImage("the TIFF's pages differ in size or depth")
        places = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(offset + length > size for offset, length in places):
            raise TruncatedImage("the TIFF ends before its pixels do")
    check_size(
        limits,
        rows=first.imagelength,
        columns=first.imagewidth,
        frames=count,
        bytes_per_pixel=max(1, int(np.dtype(first.dtype).itemsize)) * first.samplesperpixel,
        encoded_bytes=size,
    )
    return first, count


def _by_pillow(stream: BinaryIO, count: int) -> list[npt.NDArray[Any]]:
    stream.seek(0)
    with PillowImage.open(stream, formats=["TIFF"]) as picture:
        pages = []
        for index in range(count):
            picture.seek(index)
            page = picture.convert("RGB") if picture.mode in {"P", "YCbCr", "CMYK"} else picture
            pages.append(np.array(page))
        return pages


def _rgb_or_grey(
    page: npt.NDArray[Any], palette: Sequence[Any] | None, *, planar: bool
) -> npt.NDArray[Any]:
    """(rows, columns) or (rows, columns, 3); extra samples (transparency) are dropped."""
    if page.dtype == np.bool_:
        page = page.astype(np.uint8) * np.uint8(255)
    if page.ndim == 2 and palette is not None:
        entries = np.asarray(palette, dtype=np.uint16)
        return (np.moveaxis(entries[:, page], 0, -1) >> 8).astype(np.uint8)
    if page.ndim == 3 and planar:
        page = np.moveaxis(page, 0, -1)
    if page.ndim == 3:
        return page[..., :3] if page.shape[-1] >= 3 else page[..., 0]
    return page


def _grayscale(pixels: npt.NDArray[Any], *, white_is_zero: bool) -> tuple[Grayscale, ...]:
    scale = full_scale(pixels.dtype)
    return (replace(scale, inverted=white_is_zero),)
