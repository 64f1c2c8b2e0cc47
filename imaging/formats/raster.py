"""JPEG and PNG, by Pillow.

PNG: https://www.w3.org/TR/png-3/; EXIF orientation is applied, transparency is laid on black. Neither
format says how large the patient is (resolution tags are about printing), so there is no spacing.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from imaging.errors import CorruptImage, ImageTooLarge, TruncatedImage, UnsupportedImage
from imaging.formats.grayscale import Grayscale, Window, WindowFunction
from imaging.formats.image import Format, Image, Kind
from imaging.formats.limits import Limits, check_size

_PILLOW_NAME = {Format.JPEG: "JPEG", Format.PNG: "PNG"}
_DEEP_GREY = frozenset({"I", "I;16", "I;16B", "I;16L", "F"})


def read_raster(stream: BinaryIO, format: Format, limits: Limits) -> Image:
    """Reads a JPEG or PNG.

    Raises:
        ImageError: see imaging/errors.py.
    """
    stream.seek(0, 2)
    size = stream.tell()
    stream.seek(0)
    try:
        with PillowImage.open(stream, formats=[_PILLOW_NAME[format]]) as picture:
            check_size(
                limits,
                rows=picture.height,
                columns=picture.width,
                frames=1,
                bytes_per_pixel=4,
                encoded_bytes=size,
            )
            if getattr(picture, "n_frames", 1) > 1:
                raise UnsupportedImage("the PNG is animated")
            pixels = _pixels(picture)
    except PillowImage.DecompressionBombError as exc:
        raise ImageTooLarge("the image has more pixels than are decoded") from exc
    except UnidentifiedImageError as exc:
        raise CorruptImage(f"the {_PILLOW_NAME[format]} header is damaged") from exc
    except (OSError, SyntaxError, ValueError, EOFError) as exc:
        if "truncated" in str(exc).lower():
            raise TruncatedImage(f"the {_PILLOW_NAME[format]} ends early") from exc
        raise CorruptImage(f"the {_PILLOW_NAME[format]} is damaged") from exc
    colour = pixels.ndim == 3
    return Image(
        pixels=pixels,
        kind=Kind.SINGLE,
        format=format,
        grayscale=() if colour else (full_scale(pixels.dtype),),
    )


def _pixels(picture: PillowImage.Image) -> npt.NDArray[Any]:
    """(rows, columns) for grey, (rows, columns, 3) uint8 for colour, upright."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in _DEEP_GREY:
        return np.asarray(upright).copy()
    grey = upright.mode in {"1", "L", "LA"}
    if upright.mode in {"LA", "RGBA", "PA", "La", "RGBa"} or "transparency" in upright.info:
        upright = PillowImage.alpha_composite(
            PillowImage.new("RGBA", upright.size, "black"), upright.convert("RGBA")
        )
    return np.array(upright.convert("L" if grey else "RGB"))


def full_scale(dtype: np.dtype[Any]) -> Grayscale:
    """8 bits are shown from 0 to 255; deeper values from their least to their greatest (12 bits in 16 are common)."""
    if dtype == np.uint8:
        return Grayscale(
            voi=(Window(127.5, 255.0, WindowFunction.LINEAR_EXACT),),
            voi_source="assumed: the full scale of 8 bits",
        )
    return Grayscale()
