"""What a JPEG 2000 image announces of itself, held against the DICOM header before a decoder takes its word for it.

OpenJPEG allocates what the codestream says, whatever the file around it says: one changed byte of a small file asks for
gigabytes. The SIZ marker is the first after SOC (ISO/IEC 15444-1 A.5.1); boxes around it are those of JP2 (I.4).
"""

from __future__ import annotations

import struct

from imaging.errors import CorruptImage

_BEGIN = b"\xff\x4f\xff\x51"
"""SOC and SIZ."""
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SIZ = struct.Struct(">4xHH8LH")
"""Length and capabilities, Xsiz, Ysiz, XOsiz, YOsiz, four of the tiles, number of components; after SOC and SIZ."""


def check_announced(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Checks that a frame's codestream is of this size and number of components.

    Raises:
        CorruptImage: it is not, or no codestream begins where one should.
    """
    begin = _codestream(frame)
    if not frame.startswith(_BEGIN, begin) or len(frame) < begin + _SIZ.size:
        raise CorruptImage("the JPEG 2000 codestream does not begin as one")
    _, _, right, bottom, left, top, *_, components = _SIZ.unpack_from(frame, begin)
    if (bottom - top, right - left, components) != (rows, columns, samples):
        raise CorruptImage("the JPEG 2000 codestream is of another size than the DICOM image")


def _codestream(frame: bytes) -> int:
    """Where it begins: at once, or in the box ``jp2c``."""
    if not frame.startswith(_JP2_SIGNATURE):
        return 0
    at = 0
    while at + 16 <= len(frame):
        length, kind, long_length = struct.unpack_from(">L4sQ", frame, at)
        head = 16 if length == 1 else 8
        if kind == b"jp2c":
            return at + head
        length = long_length if length == 1 else length
        if (
            length < head
        ):  # 0 would be the rest of the file, in which there is no codestream any more
            break
        at += length
    raise CorruptImage("the JP2 boxes hold no codestream")
