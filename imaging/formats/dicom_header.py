"""Opening a DICOM file: its data set up to the pixels, and where the pixels are.

Tolerates a missing preamble or file meta information. Values over a mebibyte stay on disk.
https://dicom.nema.org/medical/dicom/current/output/chtml/part10/chapter_7.html
"""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import pydicom.config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_partial, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from imaging.errors import CorruptImage, ImageError, ImageTooLarge, TruncatedImage
from imaging.formats.big_endian import turn_words

# pydicom's remarks quote values, which may be the patient's; what is wrong with a value shows where we use it.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="pydicom")

_DEFER_BYTES = 1024 * 1024
_MAX_INFLATED_BYTES = 1024**3
_UNDEFINED = 0xFFFFFFFF
_PIXEL_KEYWORDS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the pixels begin. ``length`` None: encapsulated, in fragments."""

    keyword: str
    vr: str | None
    offset: int
    length: int | None
    available: int
    """Bytes from ``offset`` to the end of the file."""


@dataclass(frozen=True, slots=True, eq=False)
class DicomFile:
    """An open DICOM file. ``pixels.offset`` is a place in ``stream`` (what was deflated is inflated there)."""

    dataset: Dataset
    file_meta: FileMetaDataset
    transfer_syntax: UID
    stream: BinaryIO
    pixels: PixelElement | None


def open_dicom(stream: BinaryIO) -> DicomFile:
    """Reads everything before the pixels.

    Raises:
        CorruptImage, TruncatedImage: the data set cannot be parsed.
        ImageTooLarge: a deflated data set that grows past a gibibyte.
    """
    try:
        return _open(stream)
    except ImageError:
        raise
    except EOFError as exc:
        raise TruncatedImage("the DICOM data set ends within an element") from exc
    except RecursionError as exc:
        raise CorruptImage("the DICOM sequences are nested too deeply") from exc
    except Exception as exc:  # pydicom raises whatever its parsers meet in damaged input
        raise CorruptImage(f"the DICOM data set cannot be parsed ({type(exc).__name__})") from exc


def _open(stream: BinaryIO) -> DicomFile:
    stream.seek(0)
    read_preamble(stream, force=True)
    file_meta = FileMetaDataset(
        read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=_past_file_meta)
    )
    if file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        stream = _inflate(stream)
        dataset: Dataset = read_dataset(
            stream,
            is_implicit_VR=False,
            is_little_endian=True,
            stop_when=_at_pixels,
            defer_size=_DEFER_BYTES,
        )
        transfer_syntax = DeflatedExplicitVRLittleEndian
        implicit, little = False, True
    else:
        stream.seek(0)
        opened = read_partial(stream, stop_when=_at_pixels, defer_size=_DEFER_BYTES, force=True)
        dataset, file_meta = opened, opened.file_meta
        implicit, little = bool(opened.is_implicit_VR), bool(opened.is_little_endian)
        transfer_syntax = _transfer_syntax(file_meta, implicit=implicit, little=little)
    pixels = _pixel_element(stream, implicit=implicit, order="<" if little else ">")
    if not little:
        turn_words(dataset)
    if pixels is None:
        _check_complete(dataset, stream.seek(0, os.SEEK_END))
    return DicomFile(dataset, file_meta, transfer_syntax, stream, pixels)


def _past_file_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != 2


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in _PIXEL_KEYWORDS


def _transfer_syntax(file_meta: FileMetaDataset, *, implicit: bool, little: bool) -> UID:
    """What the file says, or, without file meta information, what it is written in."""
    stated = file_meta.get("TransferSyntaxUID")
    if stated:
        return UID(str(stated))
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _inflate(stream: BinaryIO) -> io.BytesIO:
    """The deflated data set (PS3.5 A.5), in steps, so that a bomb is noticed before it fills the memory."""
    inflated = io.BytesIO()
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof:
        chunk = inflater.unconsumed_tail or stream.read(64 * 1024)
        if not chunk:
            raise TruncatedImage("the deflated DICOM data set ends early")
        try:
            inflated.write(inflater.decompress(chunk, 1024 * 1024))
        except zlib.error as exc:
            raise CorruptImage("the deflated DICOM data set is damaged") from exc
        if inflated.tell() > _MAX_INFLATED_BYTES:
            raise ImageTooLarge(
                f"the deflated DICOM data set grows past {_MAX_INFLATED_BYTES} bytes"
            )
    inflated.seek(0)
    return inflated


def _pixel_element(stream: BinaryIO, *, implicit: bool, order: str) -> PixelElement | None:
    """Reads the element header that ``read_partial`` stopped at."""
    header = stream.read(8)
    if len(header) < 8:
        return None
    group, element = struct.unpack_from(order + "HH", header)
    keyword = _PIXEL_KEYWORDS.get(group << 16 | element)
    if keyword is None:
        return None
    vr: str | None = None
    if implicit:
        (length,) = struct.unpack_from(order + "L", header, 4)
    else:
        vr = header[4:6].decode("latin-1")
        long_length = stream.read(4)
        if len(long_length) < 4:
            raise TruncatedImage("the file ends where its pixels begin")
        (length,) = struct.unpack(order + "L", long_length)
    offset = stream.tell()
    available = stream.seek(0, os.SEEK_END) - offset
    return PixelElement(keyword, vr, offset, None if length == _UNDEFINED else length, available)


def _check_complete(dataset: Dataset, size: int) -> None:
    """A data set without pixels has to end where its last element does."""
    for element in dataset.values():
        if not isinstance(element, RawDataElement) or element.length == _UNDEFINED:
            continue
        if element.value_tell + element.length > size:
            raise TruncatedImage("the DICOM data set ends within an element")
