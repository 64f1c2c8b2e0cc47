"""Writing an instance in Explicit VR Little Endian, whatever it is stored in.

https://dicom.nema.org/medical/dicom/current/output/chtml/part05/chapter_7.html#sect_7.3 (byte ordering)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
)

from imaging.dicomweb.errors import NotAcceptable
from imaging.errors import CorruptImage
from imaging.formats import Limits
from imaging.formats.big_endian import turn_element, turn_words
from imaging.formats.dicom_header import open_dicom
from imaging.formats.dicom_pixels import check_pixels, pixel_form


def recode(path: Path, target: Path, limits: Limits) -> None:
    """Writes the instance in ``path`` to ``target``, pixels decompressed, UIDs as they are.

    Raises:
        ImageError: it is past the limits, or damaged.
        NotAcceptable: no decoder reads this variant of its transfer syntax.
    """
    with path.open("rb") as stream:
        file = open_dicom(stream)
        if file.pixels is not None:
            form = pixel_form(file)
            check_pixels(file, form, limits, form.frames)
    try:
        dataset = pydicom.dcmread(path, force=True)
        dataset.file_meta.TransferSyntaxUID = file.transfer_syntax
        if file.pixels is not None and file.transfer_syntax.is_compressed:
            dataset.decompress(generate_instance_uid=False)
        if file.transfer_syntax == ExplicitVRBigEndian:
            _turn_pixels(dataset)
            turn_words(dataset)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
        pydicom.dcmwrite(
            target,
            dataset,
            little_endian=True,
            implicit_vr=False,
            enforce_file_format=True,
            overwrite=True,
        )
    except Exception as exc:  # pydicom and the decoders raise what they meet in damaged input
        if "does not support" in str(exc):
            raise NotAcceptable("the instance is to be had as it is stored only") from exc
        raise CorruptImage(f"the instance cannot be recoded ({type(exc).__name__})") from exc


def _turn_pixels(dataset: Dataset) -> None:
    """Big-endian pixels of 16 bits and more, and 8-bit ones written as words: pixel by pixel, colours together."""
    if "PixelData" not in dataset:
        return
    if dataset.BitsAllocated == 1:
        turn_element(dataset["PixelData"])
        return
    pixels, _ = get_decoder(ExplicitVRBigEndian).as_array(dataset, raw=True)
    content = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    if dataset.get("SamplesPerPixel", 1) > 1:
        dataset.PlanarConfiguration = 0
