"""WADO-RS frames and bulk data: single frames, as stored or decompressed.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.4.html; media types of compressed frames: table 8.7.3-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.encaps import get_frame
from pydicom.uid import ExplicitVRLittleEndian

from imaging.archive.records import InstanceRecord
from imaging.dicomweb.accept import Accepted
from imaging.dicomweb.errors import BadRequest, NotAcceptable, NotFound
from imaging.errors import CorruptImage
from imaging.formats import Format, Limits
from imaging.formats.dicom_header import DicomFile, open_dicom
from imaging.formats.dicom_pixels import PixelForm, check_pixels, decode, pixel_form
from imaging.formats.read import read

OCTETS = "application/octet-stream"
_COMPRESSED = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}


def frame_numbers(text: str, frames: int) -> list[int]:
    """``1,3`` as indices from 0.

    Raises:
        BadRequest: no list of positive numbers.
        NotFound: there is no such frame.
    """
    numbers = text.split(",")
    if not all(number.isdecimal() and 0 < len(number) < 10 for number in numbers):
        raise BadRequest("frames are a list of numbers from 1")
    indices = [int(number) - 1 for number in numbers]
    if any(not 0 <= index < frames for index in indices):
        raise NotFound("the instance has no such frame")
    return indices


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames go out: as stored, or uncompressed."""

    media_type: str
    transfer_syntax: str | None
    as_stored: bool

    @property
    def content_type(self) -> str:
        if self.transfer_syntax is None:
            return self.media_type
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def frame_form(instance: InstanceRecord, accept: Sequence[Accepted]) -> FrameForm:
    """The form that the client likes best. Without a wish frames go out uncompressed.

    Raises:
        NotAcceptable: none that the frames can be had in.
    """
    stored = instance.transfer_syntax_uid
    compressed = _COMPRESSED.get(stored or "")
    octets = FrameForm(OCTETS, str(ExplicitVRLittleEndian) if stored else None, as_stored=False)
    for one in accept:
        if compressed and one.name != "*/*" and one.covers(compressed):
            if one.transfer_syntax in {None, "*", stored}:
                return FrameForm(compressed, stored, as_stored=True)
        elif one.covers(OCTETS):
            if one.transfer_syntax in {None, str(ExplicitVRLittleEndian)}:
                return octets
            if one.transfer_syntax == "*":
                return FrameForm(compressed, stored, as_stored=True) if compressed else octets
    raise NotAcceptable("the frames are not to be had in any form that is accepted")


def compressed_frame(path: Path, index: int) -> bytes:
    """One frame's code stream, as stored.

    Raises:
        CorruptImage: the fragments do not hold it.
    """
    with path.open("rb") as stream:
        file = open_dicom(stream)
        form = pixel_form(file)
        if file.pixels is None or file.pixels.length is not None:
            raise CorruptImage("the pixel data is not encapsulated")
        file.stream.seek(file.pixels.offset)
        try:
            return bytes(get_frame(file.stream, index, number_of_frames=form.frames))
        except Exception as exc:  # pydicom raises what it meets in damaged fragments
            raise CorruptImage("the frame cannot be found among the fragments") from exc


def octet_frame(path: Path, instance: InstanceRecord, index: int, limits: Limits) -> bytes:
    """One frame uncompressed, little endian, as Explicit VR Little Endian would hold it.

    Raises:
        ImageError: it cannot be decoded.
    """
    if instance.format is not Format.DICOM:
        return _little_endian(read(path, limits=limits, frame=index).pixels)
    with path.open("rb") as stream:
        file = open_dicom(stream)
        form = pixel_form(file)
        check_pixels(file, form, limits, 1)
        if file.transfer_syntax == ExplicitVRLittleEndian or file.transfer_syntax.is_implicit_VR:
            return _native_frame(file, form, index)
        return _little_endian(decode(file, form, index, palette=False))


def _native_frame(file: DicomFile, form: PixelForm, index: int) -> bytes:
    assert file.pixels is not None
    bits = form.native_bits // form.frames
    if bits % 8:
        raise NotAcceptable("frames of this instance do not begin at a byte")
    file.stream.seek(file.pixels.offset + index * bits // 8)
    return file.stream.read(bits // 8)


def _little_endian(pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
