"""Rendered instances and thumbnails: PNG or JPEG, windowed and scaled as the query says.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_8.3.5.html
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image as PillowImage

from imaging.dicomweb.errors import BadRequest
from imaging.formats import Image, Limits
from imaging.formats.grayscale import Window, WindowFunction
from imaging.formats.read import read

THUMBNAIL_PX = 128
_MAX_VIEWPORT_PX = 16384
_FUNCTIONS = {
    "linear": WindowFunction.LINEAR,
    "linear-exact": WindowFunction.LINEAR_EXACT,
    "sigmoid": WindowFunction.SIGMOID,
}


@dataclass(frozen=True, slots=True)
class Viewport:
    """The size to fit into, and the part of the image to show: (left, top, width, height), None for all."""

    width: int
    height: int
    region: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """How an image is to be shown."""

    media_type: str = "image/png"
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90


def parse_rendering(query: Mapping[str, str], media_type: str) -> Rendering:
    """Reads ``window``, ``viewport`` and ``quality``.

    Raises:
        BadRequest: they cannot be read.
    """
    quality = query.get("quality", "90")
    if not quality.isdecimal() or not 1 <= int(quality) <= 100:
        raise BadRequest("quality is a number from 1 to 100")
    return Rendering(media_type, _window(query), _viewport(query), int(quality))


def thumbnail_rendering(query: Mapping[str, str], media_type: str) -> Rendering:
    """A small one, unless the query says how large."""
    rendering = parse_rendering(query, media_type)
    viewport = rendering.viewport or Viewport(THUMBNAIL_PX, THUMBNAIL_PX)
    return replace(rendering, viewport=viewport)


def _window(query: Mapping[str, str]) -> Window | None:
    text = query.get("window")
    if text is None:
        return None
    parts = text.split(",")
    try:
        center, width = float(parts[0]), float(parts[1])
        function = _FUNCTIONS[parts[2].lower()] if len(parts) > 2 else WindowFunction.LINEAR
        if len(parts) > 3:
            raise ValueError(text)
        return Window(center, width, function)
    except (ValueError, IndexError, KeyError):
        raise BadRequest(
            "window is center,width[,function] with the function linear, linear-exact or sigmoid"
        ) from None


def _viewport(query: Mapping[str, str]) -> Viewport | None:
    text = query.get("viewport")
    if text is None:
        return None
    try:
        numbers = [int(part) if part else None for part in text.split(",")]
    except ValueError:
        raise BadRequest("viewport is width,height[,left,top,width,height] in pixels") from None
    width, height = [*numbers, None][:2]
    if (
        not width
        or not height
        or not (0 < width <= _MAX_VIEWPORT_PX and 0 < height <= _MAX_VIEWPORT_PX)
    ):
        raise BadRequest("the viewport's width and height are pixels, at most 16384")
    if len(numbers) == 2:
        return Viewport(width, height)
    left, top, region_width, region_height = [*numbers[2:], None, None, None, None][:4]
    if (
        len(numbers) > 6
        or not region_width
        or not region_height
        or region_width < 0
        or region_height < 0
    ):
        raise BadRequest("the viewport's region is left,top,width,height in pixels")
    return Viewport(width, height, (left or 0, top or 0, region_width, region_height))


def render(path: Path, frame: int, rendering: Rendering, limits: Limits) -> bytes:
    """One frame as PNG or JPEG.

    Raises:
        ImageError: it cannot be decoded.
    """
    image = read(path, limits=limits, frame=frame)
    return encode(picture_of(image, rendering), rendering)


def picture_of(image: Image, rendering: Rendering) -> PillowImage.Image:
    """The single image ``image`` as it is to be shown."""
    if rendering.window is not None and not image.colour:
        grayscale = replace(image.grayscale_of(0), voi=(rendering.window,))
        image = replace(image, grayscale=(grayscale,))
    picture = PillowImage.fromarray(image.display_rgb(0))
    viewport = rendering.viewport
    if viewport is None:
        return picture
    if viewport.region is not None:
        left, top, width, height = viewport.region
        box = (left, top, min(left + width, picture.width), min(top + height, picture.height))
        if box[0] >= box[2] or box[1] >= box[3]:
            raise BadRequest("the viewport's region lies outside the image")
        picture = picture.crop(box)
    scale = min(viewport.width / picture.width, viewport.height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, PillowImage.Resampling.LANCZOS)


def encode(picture: PillowImage.Image, rendering: Rendering) -> bytes:
    """PNG or JPEG bytes."""
    target = io.BytesIO()
    if rendering.media_type == "image/jpeg":
        picture.save(target, "JPEG", quality=rendering.quality)
    else:
        picture.save(target, "PNG", compress_level=3)
    return target.getvalue()
