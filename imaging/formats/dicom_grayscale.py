"""The grayscale pipeline as a DICOM data set states it, one for all frames or one a frame.

https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.11.html; for enhanced objects the functional
groups of C.7.6.16.2.9 (Pixel Value Transformation) and C.7.6.16.2.10 (Frame VOI LUT).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from imaging.formats.dicom_values import items, number, numbers, text, value
from imaging.formats.grayscale import Grayscale, Lut, Rescale, Window, WindowFunction

_UNITS = {"HU": "HU", "OD": "OD", "PCT": "%", "US": None, "": None}


def grayscale_of(dataset: Dataset, frames: int) -> tuple[Grayscale, ...]:
    """One pipeline, or one for each frame where the functional groups differ."""
    if "SharedFunctionalGroupsSequence" not in dataset:
        return (_pipeline(dataset, dataset, dataset),)
    shared = next(iter(items(dataset, "SharedFunctionalGroupsSequence")), None)
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
    if len(per_frame) != frames:
        per_frame = []
    pipelines = [
        _pipeline(
            dataset,
            _group(frame, shared, "PixelValueTransformationSequence") or dataset,
            _group(frame, shared, "FrameVOILUTSequence") or dataset,
        )
        for frame in (per_frame or [Dataset()])
    ]
    return tuple(pipelines)


def _pipeline(dataset: Dataset, modality: Dataset, voi: Dataset) -> Grayscale:
    signed = number(dataset, "PixelRepresentation") == 1
    transforms, source = _voi(voi, signed=signed)
    shape = text(dataset, "PresentationLUTShape")
    photometric = text(dataset, "PhotometricInterpretation")
    default = {"voi_source": source} if source else {}
    return Grayscale(
        modality=_modality(modality, signed=signed),
        voi=transforms,
        # MONOCHROME1 images carry shape INVERSE to say the same thing again, not to undo it (C.11.6).
        inverted=photometric == "MONOCHROME1" or shape == "INVERSE",
        padding=_padding(dataset),
        units=_UNITS.get(text(modality, "RescaleType") or "")
        or ("HU" if text(dataset, "Modality") == "CT" and "RescaleSlope" in modality else None),
        **default,
    )


def _modality(dataset: Dataset, *, signed: bool) -> Rescale | Lut:
    luts = items(dataset, "ModalityLUTSequence")
    if luts:
        lut = _lut(luts[0], signed=signed)
        if lut is not None:
            return lut
    slope = number(dataset, "RescaleSlope")
    return Rescale(
        slope or 1.0,  # a slope of 0 would erase the image: taken as unset
        number(dataset, "RescaleIntercept") or 0.0,
    )


def _voi(dataset: Dataset, *, signed: bool) -> tuple[tuple[Window | Lut, ...], str]:
    """LUTs first: where a file has both, the table is the finer statement of the same intent."""
    luts = [_lut(item, signed=signed) for item in items(dataset, "VOILUTSequence")]
    found: list[Window | Lut] = [lut for lut in luts if lut is not None]
    sources = ["DICOM (0028,3010) VOI LUT Sequence"] if found else []
    windows = _windows(dataset)
    if windows:
        sources.append("DICOM (0028,1050) Window Center")
    return (*found, *windows), "; ".join(sources)


def _windows(dataset: Dataset) -> list[Window]:
    centers, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    names = value(dataset, "WindowCenterWidthExplanation")
    explanations = (
        [str(name) for name in names] if isinstance(names, MultiValue) else [str(names or "")]
    )
    try:
        function = WindowFunction(text(dataset, "VOILUTFunction") or "LINEAR")
    except ValueError:
        function = WindowFunction.LINEAR
    windows = []
    for index, (center, width) in enumerate(zip(centers, widths, strict=False)):
        explanation = explanations[index] if index < len(explanations) else ""
        try:
            windows.append(Window(center, width, function, explanation))
        except ValueError:
            continue  # a width of 0 is common in the field and means that there is no window
    return windows


def _lut(item: Dataset, *, signed: bool) -> Lut | None:
    """A LUT item (C.11.1.1.1): descriptor = entries (0: 65536), first input, bits of an entry."""
    descriptor, data = numbers(item, "LUTDescriptor"), value(item, "LUTData")
    if len(descriptor) != 3 or data is None:
        return None
    entries = int(descriptor[0]) % 65536 or 65536
    first = int(descriptor[1])
    if signed and first > 32767:
        first -= 65536
    bits = int(descriptor[2])
    values = _lut_entries(data, entries)
    if len(values) == 0 or not 1 <= bits <= 16:
        return None
    while values.max() > 2**bits - 1 and bits < 16:
        bits += 1  # some writers state 8 bits and store more
    return Lut(first, values.astype(np.float32), bits)


def _lut_entries(data: bytes | Sequence[int] | int, entries: int) -> np.ndarray[Any, np.dtype[Any]]:
    if isinstance(data, bytes):  # OW, made little endian by open_dicom
        if len(data) == entries:
            return np.frombuffer(data, dtype=np.uint8)
        return np.frombuffer(data[: len(data) // 2 * 2], dtype="<u2")[:entries]
    values = list(data) if isinstance(data, Sequence) else [data]
    return np.array([int(value) & 0xFFFF for value in values[:entries]], dtype=np.uint16)


def _padding(dataset: Dataset) -> tuple[float, float] | None:
    low = number(dataset, "PixelPaddingValue")
    if low is None:
        return None
    high = number(dataset, "PixelPaddingRangeLimit")
    if high is None:
        high = low
    return min(low, high), max(low, high)


def _group(frame: Dataset, shared: Dataset | None, keyword: str) -> Dataset | None:
    for groups in (frame, shared):
        item = next(iter(items(groups, keyword)), None) if groups is not None else None
        if item is not None:
            return item
    return None
