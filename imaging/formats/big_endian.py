"""Values of big-endian files that pydicom keeps as the file's bytes: lookup tables, overlays, packed bits.

Explicit VR Big Endian is retired, but archives still hold it. Numbers, tags and pixels are turned by pydicom itself.
https://dicom.nema.org/medical/dicom/current/output/chtml/part05/sect_7.3.html
"""

from __future__ import annotations

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def turn_words(dataset: Dataset) -> None:
    """Makes the words of all such elements little endian, in place; Pixel Data is left alone."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: BLE001, S112  what cannot be read has no words to turn
            continue
        if element.VR == "SQ":
            for item in element.value or []:
                turn_words(item)
        elif element.keyword != "PixelData":
            turn_element(element)


def turn_element(element: DataElement) -> None:
    """Turns one element, if it is made of words."""
    size = _WORD_BYTES.get(str(element.VR))
    value = element.value
    if size is not None and isinstance(value, bytes) and len(value) % size == 0:
        element.value = np.frombuffer(value, f"u{size}").byteswap().tobytes()
