"""Which format a file is in, by its content. Names and declared media types are not trusted."""

from __future__ import annotations

import re
import struct
import zlib

from imaging.errors import CorruptImage, EmptyFile, NotAnImage, UnsupportedImage
from imaging.formats.image import Format

HEAD_BYTES = 1024
"""As much of a file's begin as ``detect`` needs."""

_VR = re.compile(rb"A[EST]|CS|D[AST]|F[LD]|IS|L[OT]|O[BDFLVW]|PN|S[HLQSTV]|TM|U[CILNRSTV]")
_NIFTI1_MAGIC = (b"n+1\0", b"ni1\0")
_NIFTI2_MAGIC = (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")
_SIGNATURES_OF_OTHERS = {
    b"PK\x03\x04": "a ZIP archive",
    b"%PDF": "a PDF document",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"RIFF": "a RIFF file (WebP, AVI)",
    b"<": "text (HTML, XML)",
    b"{": "text (JSON)",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a JPEG 2000 codestream",
}


def detect(head: bytes) -> Format:
    """The format of a file that begins with ``head`` (its first ``HEAD_BYTES``, or all of it).

    Raises:
        EmptyFile: there is nothing.
        UnsupportedImage: a kind of image, or of NIfTI, that we do not read.
        NotAnImage: anything else.
    """
    if not head:
        raise EmptyFile("the file is empty")
    if head[128:132] == b"DICM":
        return Format.DICOM
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Format.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return Format.JPEG
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return Format.TIFF
    if head.startswith(b"\x1f\x8b"):
        return _inside_gzip(head)
    if _is_nifti(head):
        return Format.NIFTI
    if _is_dicom_without_preamble(head):
        return Format.DICOM
    for signature, name in _SIGNATURES_OF_OTHERS.items():
        if head.startswith(signature):
            raise NotAnImage(f"the file is {name}; DICOM, NIfTI, JPEG, PNG and TIFF are read")
    raise NotAnImage("the file is in no format that is read here (DICOM, NIfTI, JPEG, PNG, TIFF)")


def _inside_gzip(head: bytes) -> Format:
    try:
        inside = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, 2048)
    except zlib.error as exc:
        raise CorruptImage("the gzip data is damaged") from exc
    if _is_nifti(inside):
        return Format.NIFTI_GZ
    raise UnsupportedImage("the file is compressed with gzip and is no NIfTI: send what is inside")


def _is_nifti(head: bytes) -> bool:
    magic1, magic2 = head[344:348], head[4:12]
    if magic1 in _NIFTI1_MAGIC or magic2 in _NIFTI2_MAGIC:
        if magic1 == b"ni1\0" or magic2.startswith(b"ni2"):
            raise UnsupportedImage(
                "the NIfTI header has its pixels in another file (.hdr/.img): send one .nii"
            )
        return True
    return False


def _is_dicom_without_preamble(head: bytes) -> bool:
    """A data set that begins with group 0002 or 0008 and whose first elements parse."""
    if len(head) < 16:
        return False
    return any(_begins_with_elements(head, order) for order in "<>")


def _begins_with_elements(head: bytes, order: str) -> bool:
    group, element = struct.unpack_from(order + "HH", head)
    if group not in {0x0002, 0x0008} or element > 0x0080:
        return False
    if _VR.fullmatch(head[4:6]):
        return True
    (length,) = struct.unpack_from(order + "L", head, 4)
    if length > 128 or order == ">":
        return False
    following = head[8 + length : 12 + length]
    if len(following) < 4:
        return False
    next_group, next_element = struct.unpack("<HH", following)
    return (group, element) < (next_group, next_element) and next_group in {group, 0x0008, 0x0010}
