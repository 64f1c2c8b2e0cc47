"""Decoding DICOM pixels: size and completeness are checked first, then one frame or all are decoded.

Decoders are pydicom's, over gdcm, pylibjpeg (OpenJPEG, RLE) and Pillow, whichever knows the transfer syntax.
https://dicom.nema.org/medical/dicom/current/output/chtml/part05/chapter_8.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import UID, JPEG2000TransferSyntaxes

from imaging.errors import (
    CorruptImage,
    ImageError,
    NotAnImage,
    TruncatedImage,
    UnsupportedImage,
)
from imaging.formats.dicom_header import DicomFile, PixelElement
from imaging.formats.dicom_values import text
from imaging.formats.jpeg_2000 import check_announced
from imaging.formats.limits import Limits, check_size

_GRAYSCALE = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR = frozenset(
    {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420", "YBR_PARTIAL_422"}
)
_JPEG_FAMILY = (
    "1.2.840.10008.1.2.4.5",
    "1.2.840.10008.1.2.4.7",
    "1.2.840.10008.1.2.4.8",
    "1.2.840.10008.1.2.4.9",
)
_FASTEST_FIRST = ("pillow", "pylibjpeg", "gdcm", "pydicom")
"""JPEG 2000: both are OpenJPEG and give the same values, in 112 and 104 ms of processor time for one radiograph, but
Pillow's shares 95 of them out to threads (see imaging/isolation.py). Baseline JPEG: 2.8 ms (Pillow) and 11.7 (gdcm)."""
_JPEG_2000 = frozenset(JPEG2000TransferSyntaxes)
_END_OF_IMAGE = b"\xff\xd9"
"""JPEG, JPEG-LS and JPEG 2000 end alike; decoders make do without, and then invent the rest of the image."""
_TAIL_BYTES = 64


@dataclass(frozen=True, slots=True)
class PixelForm:
    """The Image Pixel module (PS3.3 C.7.6.3), checked."""

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    photometric_interpretation: str

    @property
    def native_bits(self) -> int:
        """All frames uncompressed, as PS3.5 8.1.1 lays them out."""
        bits = self.rows * self.columns * self.frames * self.samples * self.bits_allocated
        return bits * 2 // 3 if self.photometric_interpretation == "YBR_FULL_422" else bits


def pixel_form(file: DicomFile) -> PixelForm:
    """Reads and checks the Image Pixel module.

    Raises:
        NotAnImage: the object has none (a report, a plan).
        CorruptImage: it has, but wrongly, or the pixels are missing.
        UnsupportedImage: a colour model of old that nothing decodes (HSV, ARGB, CMYK).
    """
    dataset = file.dataset
    if "Rows" not in dataset and file.pixels is None:
        raise NotAnImage("the DICOM object holds no pixels (SOP class " + _sop_class(dataset) + ")")
    if file.pixels is None:
        raise TruncatedImage("the DICOM image has no pixel data")
    floats = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
    form = PixelForm(
        rows=_integer(dataset, "Rows"),
        columns=_integer(dataset, "Columns"),
        frames=_integer(dataset, "NumberOfFrames", 1) or 1,
        samples=_integer(dataset, "SamplesPerPixel", 1),
        bits_allocated=floats.get(file.pixels.keyword) or _integer(dataset, "BitsAllocated"),
        photometric_interpretation=text(dataset, "PhotometricInterpretation") or "MONOCHROME2",
    )
    photometric = form.photometric_interpretation
    if form.bits_allocated not in {1, 8, 16, 32, 64}:
        raise CorruptImage(f"Bits Allocated (0028,0100) is {form.bits_allocated}")
    expected = 3 if photometric in _COLOUR else 1
    if photometric not in _COLOUR | _GRAYSCALE | {"PALETTE COLOR"}:
        raise UnsupportedImage("the Photometric Interpretation (0028,0004) is none that is decoded")
    if form.samples != expected:
        raise CorruptImage(f"{photometric} with {form.samples} samples per pixel")
    return form


def check_pixels(file: DicomFile, form: PixelForm, limits: Limits, frames: int) -> None:
    """Checks, without decoding, that ``frames`` frames may be decoded and that the file holds all of its frames.

    Raises:
        ImageTooLarge, TruncatedImage, CorruptImage.
    """
    pixels = file.pixels
    if pixels is None:
        raise TruncatedImage("the DICOM image has no pixel data")
    check_size(
        limits,
        rows=form.rows,
        columns=form.columns,
        frames=frames,
        bytes_per_pixel=form.samples * max(1, form.bits_allocated // 8),
        encoded_bytes=pixels.available,
    )
    if pixels.length is not None:
        needed = (form.native_bits + 7) // 8
        present = min(pixels.length, pixels.available)
        if present < needed:
            raise TruncatedImage(f"{present} of {needed} bytes of pixel data are there")
    else:
        last = _check_fragments(file.stream, pixels, form.frames)
        if file.transfer_syntax.startswith(_JPEG_FAMILY) and _END_OF_IMAGE not in last:
            raise TruncatedImage("the last fragment of the pixel data ends before its image does")


def _check_fragments(stream: BinaryIO, pixels: PixelElement, frames: int) -> bytes:
    """Walks the fragments of encapsulated pixel data (PS3.5 A.4) by their lengths; answers the end of the last one."""
    end = pixels.offset + pixels.available
    position, items = pixels.offset, 0
    last_end = last_length = 0
    while position + 8 <= end:
        stream.seek(position)
        group, element, length = struct.unpack("<HHL", stream.read(8))
        position += 8
        if (group, element) == (0xFFFE, 0xE0DD):
            break
        if (group, element) != (0xFFFE, 0xE000) or length == 0xFFFFFFFF:
            raise CorruptImage("the fragments of the encapsulated pixel data are damaged")
        if position + length > end:
            raise TruncatedImage("the file ends within a fragment of the pixel data")
        position += length
        items += 1
        last_end, last_length = position, length
    if items - 1 < frames:
        raise TruncatedImage(f"{max(0, items - 1)} fragments for {frames} frame(s)")
    tail = min(last_length, _TAIL_BYTES)
    stream.seek(last_end - tail)
    return stream.read(tail)


def decode(
    file: DicomFile, form: PixelForm, frame: int | None, *, palette: bool = True
) -> npt.NDArray[Any]:
    """Stored values of one frame (rows, columns[, 3]) or, with None, of all ([frames, ]rows, columns[, 3]).

    Colour comes back as RGB, palettes applied (``palette`` False: their indices).

    Raises:
        UnsupportedImage: nobody here decodes the transfer syntax.
        CorruptImage: the decoders refuse the data.
    """
    assert file.pixels is not None
    try:
        decoder = get_decoder(file.transfer_syntax)
    except NotImplementedError as exc:
        raise UnsupportedImage(f"transfer syntax {file.transfer_syntax} is not decoded") from exc
    if not decoder.is_available:
        raise UnsupportedImage(
            f"no decoder for transfer syntax {file.transfer_syntax} is installed"
        )
    try:
        options = as_pixel_options(
            file.dataset,
            transfer_syntax_uid=file.transfer_syntax,
            pixel_keyword=file.pixels.keyword,
            number_of_frames=form.frames,
            photometric_interpretation=form.photometric_interpretation,
            samples_per_pixel=form.samples,
        )
        if file.pixels.vr is not None:
            options["pixel_vr"] = file.pixels.vr
        if file.transfer_syntax in _JPEG_2000:
            _check_codestreams(file, form, frame, options)
        pixels = _by_first_plugin(decoder, file, frame, options)
        if palette and form.photometric_interpretation == "PALETTE COLOR":
            pixels = _eight_bit_where_it_is(apply_color_lut(pixels, _palette(file.dataset)))
    except ImageError:
        raise
    except MemoryError:
        raise
    except Exception as exc:  # decoders raise whatever they meet in damaged input
        # 12-bit JPEG: no decoder for it has a licence that we can use.
        if "does not support" in str(exc):
            raise UnsupportedImage(
                f"no decoder reads this variant of transfer syntax {file.transfer_syntax}"
            ) from exc
        raise CorruptImage(f"the pixel data cannot be decoded ({type(exc).__name__})") from exc
    return np.asarray(pixels, dtype=pixels.dtype.newbyteorder("="))


def _check_codestreams(
    file: DicomFile, form: PixelForm, frame: int | None, options: dict[str, Any]
) -> None:
    """Raises CorruptImage where a frame that is to be decoded announces another size than the data set's."""
    assert file.pixels is not None
    file.stream.seek(file.pixels.offset)
    count, offsets = form.frames, options.get("extended_offsets")
    frames: Iterable[bytes]
    if frame is None:
        frames = generate_frames(file.stream, number_of_frames=count, extended_offsets=offsets)
    else:
        one = get_frame(file.stream, frame, number_of_frames=count, extended_offsets=offsets)
        frames = (one,)
    for codestream in frames:
        check_announced(codestream, form.rows, form.columns, form.samples)


def _by_first_plugin(
    decoder: Decoder, file: DicomFile, frame: int | None, options: dict[str, Any]
) -> npt.NDArray[Any]:
    """Decodes by the fastest decoder that can; raises what the last one raised."""
    assert file.pixels is not None
    plugins = [name for name in _FASTEST_FIRST if name in decoder.available_plugins] or [""]
    if len(plugins) > 1 and plugins[-1] == "gdcm":
        plugins.pop()  # where others read the syntax: on hostile data gdcm may end the process
    for plugin in plugins:
        file.stream.seek(file.pixels.offset)
        try:
            return decoder.as_array(
                file.stream, index=frame, raw=False, decoding_plugin=plugin, **options
            )[0]
        except Exception:
            if plugin == plugins[-1]:
                raise
        except BaseException as exc:
            # A panic of the RLE decoder, written in Rust, is no Exception.
            if type(exc).__name__ != "PanicException":
                raise
            if plugin == plugins[-1]:
                raise ValueError("the decoder panicked") from exc
    raise AssertionError  # the last plugin returns or raises


def _palette(dataset: Dataset) -> Dataset:
    """The palette alone, whose words ``open_dicom`` has made little endian."""
    palette = dataset.group_dataset(0x0028)
    palette.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
    return palette


def _eight_bit_where_it_is(rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Palettes of 16-bit entries often hold 8-bit colours, in the low byte only."""
    if rgb.dtype == np.uint16 and rgb.max(initial=0) <= 255:
        return rgb.astype(np.uint8)
    return rgb


def _integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """An attribute without which pixels cannot be read; unlike others it must not be damaged."""
    try:
        found = dataset.get(keyword)
        if found is not None and found != "":
            return int(found)
    except Exception as exc:  # pydicom raises what its converters meet
        raise CorruptImage(f"the DICOM attribute {keyword} is no integer") from exc
    if default is None:
        raise CorruptImage(f"the DICOM image does not say its {keyword}")
    return default


def _sop_class(dataset: Dataset) -> str:
    """Its name; only of classes that the standard has, since the text goes into an error."""
    uid = UID(text(dataset, "SOPClassUID") or "")
    return uid.name if uid.type == "SOP Class" else "unknown"
