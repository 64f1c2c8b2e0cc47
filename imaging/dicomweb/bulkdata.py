"""WADO-RS bulk data: the value of one attribute, as the file has it."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataelem import RawDataElement
from pydicom.encaps import generate_frames

from imaging.archive.records import InstanceRecord
from imaging.dicomweb.errors import BadRequest, NotFound
from imaging.errors import CorruptImage
from imaging.formats import Format
from imaging.formats.dicom_header import DicomFile, open_dicom
from imaging.formats.dicom_pixels import pixel_form

_PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})


def bulk_value(path: Path, instance: InstanceRecord, tag: str) -> list[bytes]:
    """The bytes of a top-level attribute; of encapsulated pixel data a list of frames.

    Raises:
        BadRequest: no tag.
        NotFound: the instance does not have it.
    """
    try:
        number = int(tag, 16)
    except ValueError:
        raise BadRequest("bulk data is named by a tag of eight hexadecimal digits") from None
    if instance.format is not Format.DICOM:
        raise NotFound("the instance has no such attribute")
    with path.open("rb") as stream:
        file = open_dicom(stream)
        if number in _PIXEL_TAGS and file.pixels is not None:
            return _pixels(file)
        if number not in file.dataset:
            raise NotFound("the instance has no such attribute")
        raw: object = file.dataset.get_item(number)
        if isinstance(raw, RawDataElement) and raw.length != 0xFFFFFFFF:
            file.stream.seek(raw.value_tell)
            return [file.stream.read(raw.length)]
        value = file.dataset[number].value
        if not isinstance(value, bytes):
            raise NotFound("the attribute has no bulk data")
        return [value]


def _pixels(file: DicomFile) -> list[bytes]:
    assert file.pixels is not None
    file.stream.seek(file.pixels.offset)
    if file.pixels.length is not None:
        return [file.stream.read(file.pixels.length)]
    frames = pixel_form(file).frames
    try:
        return list(generate_frames(file.stream, number_of_frames=frames))
    except Exception as exc:  # pydicom raises what it meets in damaged fragments
        raise CorruptImage("the frames cannot be found among the fragments") from exc
