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

from imaging.formats.grayscale import Grayscale, Lut, Rescale, Window, WindowFunction

_UNITS = {"HU": "HU", "OD": "OD", "PCT": "%", "US": None, "": None}


def grayscale_of(dataset: Dataset, frames: int) -> tuple[Grayscale, ...]:
    """One pipeline, or one for each frame where the functional groups differ."""
    if "SharedFunctionalGroupsSequence" not in dataset:
        return (_pipeline(dataset, dataset, dataset),)
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
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
    transforms, source = _voi(voi, signed=bool(dataset.get("PixelRepresentation", 0)))
    shape = str(dataset.get("PresentationLUTShape", ""))
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    default = {"voi_source": source} if source else {}
    return Grayscale(
        modality=_modality(modality, signed=bool(dataset.get("PixelRepresentation", 0))),
        voi=transforms,
        # MONOCHROME1 images carry shape INVERSE to say the same thing again, not to undo it (C.11.6).
        inverted=photometric == "MONOCHROME1" or shape == "INVERSE",
        padding=_padding(dataset),
        units=_UNITS.get(str(modality.get("RescaleType", "")))
        or ("HU" if dataset.get("Modality") == "CT" and "RescaleSlope" in modality else None),
        **default,
    )


def _modality(dataset: Dataset, *, signed: bool) -> Rescale | Lut:
    luts = dataset.get("ModalityLUTSequence")
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
    luts = [_lut(item, signed=signed) for item in dataset.get("VOILUTSequence") or []]
    found: list[Window | Lut] = [lut for lut in luts if lut is not None]
    sources = ["DICOM (0028,3010) VOI LUT Sequence"] if found else []
    windows = _windows(dataset)
    if windows:
        sources.append("DICOM (0028,1050) Window Center")
    return (*found, *windows), "; ".join(sources)


def _windows(dataset: Dataset) -> list[Window]:
    centers, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    names = dataset.get("WindowCenterWidthExplanation")
    explanations = (
        [str(name) for name in names] if isinstance(names, MultiValue) else [str(names or "")]
    )
    try:
        function = WindowFunction(str(dataset.get("VOILUTFunction") or "LINEAR"))
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
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    if descriptor is None or len(descriptor) != 3 or data is None:
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
        item = _first(groups, keyword) if groups is not None else None
        if item is not None:
            return item
    return None


def _first(dataset: Dataset, keyword: str) -> Dataset | None:
    items = dataset.get(keyword)
    return items[0] if items else None


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value, or None where there is none that is a finite number."""
    values = numbers(dataset, keyword)
    return values[0] if values else None


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """All values; none where any of them is not a finite number."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return []
        values = value if isinstance(value, (MultiValue, list, tuple)) else [value]
        found = [float(item) for item in values]
    except (TypeError, ValueError):
        return []
    return found if all(np.isfinite(found)) else []
