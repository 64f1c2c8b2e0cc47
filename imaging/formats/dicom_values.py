"""Reading values that may be absent or damaged: an unreadable optional value counts as absent.

pydicom converts a value when it is first looked at, and raises then what its converters meet.
"""

from __future__ import annotations

import math
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence


def value(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401  whatever the VR makes of it
    """The value, or None where it is absent or cannot be read."""
    try:
        return dataset.get(keyword)
    except Exception:  # noqa: BLE001
        return None


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent or is no sequence."""
    found = value(dataset, keyword)
    return list(found) if isinstance(found, Sequence) else []


def text(dataset: Dataset, keyword: str) -> str | None:
    """The first value as text, trimmed; None where there is none."""
    found = value(dataset, keyword)
    if isinstance(found, MultiValue):
        found = next(iter(found), None)
    if found is None:
        return None
    return str(found).strip("\0 ") or None


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """All values; none where any of them is not a finite number."""
    found = value(dataset, keyword)
    if found is None or found == "":
        return []
    several = found if isinstance(found, (MultiValue, list, tuple)) else [found]
    try:
        converted = [float(item) for item in several]
    except (TypeError, ValueError):
        return []
    return converted if all(math.isfinite(one) for one in converted) else []


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value, or None where there is none that is a finite number."""
    found = numbers(dataset, keyword)
    return found[0] if found else None
