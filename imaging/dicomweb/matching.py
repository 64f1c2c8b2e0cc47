"""QIDO-RS attribute matching: which attribute, by which rule of PS3.4 C.2.2.2.

https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_C.2.2.2.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from imaging.archive.attributes import Attributes
from imaging.dicomweb.errors import BadRequest

_RANGES = frozenset({"DA", "TM", "DT"})
_NUMBERS = frozenset({"IS", "DS", "US", "SS", "UL", "SL", "FL", "FD"})
_TAG = re.compile(r"[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True)
class Criterion:
    """``path`` leads from the outermost attribute to the one that is compared (sequences may lie between)."""

    path: tuple[str, ...]
    vr: str
    value: str

    @property
    def universal(self) -> bool:
        """An empty value matches everything and asks for the attribute in the answer."""
        return self.value in {"", '""'}

    def matches(self, attributes: Attributes) -> bool:
        """Whether any value of the attribute meets the criterion."""
        if self.universal:
            return True
        matcher = _matcher(self.vr, self.value)
        return any(matcher(text) for text in _texts(attributes, self.path))

    @property
    def exact_values(self) -> tuple[str, ...]:
        """The values of a UID list, or the one value without wildcards; empty where only a pattern is given."""
        if self.universal or self.vr in _RANGES:
            return ()
        if self.vr == "UI":
            return uid_list(self.value)
        return () if re.search(r"[*?]", self.value) else (self.value,)


def attribute_path(name: str) -> tuple[str, ...]:
    """``PatientID``, ``00100020`` or ``00400275.00400009`` as tags.

    Raises:
        BadRequest: no attribute of the DICOM dictionary.
    """
    return tuple(_attribute_tag(part) for part in name.split("."))


def _attribute_tag(name: str) -> str:
    if _TAG.fullmatch(name):
        return name.upper()
    number = tag_for_keyword(name)
    if number is None:
        raise BadRequest("a query parameter names no attribute of the DICOM dictionary")
    return f"{number:08X}"


def criterion(name: str, value: str) -> Criterion:
    """The criterion of one query parameter.

    Raises:
        BadRequest: an unknown attribute, or a value that its VR cannot have.
    """
    path = attribute_path(name)
    try:
        vr = dictionary_VR(int(path[-1], 16))
    except KeyError:
        vr = "LO"
    found = Criterion(path, vr, value)
    if not found.universal:
        _matcher(vr, value)
    return found


def uid_list(value: str) -> tuple[str, ...]:
    """UIDs separated by commas or backslashes."""
    return tuple(uid for uid in re.split(r"[,\\]", value) if uid)


def _texts(attributes: Attributes, path: tuple[str, ...]) -> list[str]:
    values: list[Any] = attributes.get(path[0], {}).get("Value") or []
    if len(path) > 1:
        return [text for item in values for text in _texts(item, path[1:])]
    texts = []
    for value in values:
        if isinstance(value, dict):
            texts += [str(part) for part in value.values() if isinstance(part, str)]
        elif value is not None:
            texts.append(str(value))
    return texts


def _matcher(vr: str, value: str) -> Callable[[str], bool]:
    if vr in _RANGES and "-" in value and not _is_negative_offset(vr, value):
        low, _, high = value.partition("-")
        _check_range(vr, low, high)
        return lambda text: (
            (not low or _padded(text, "0") >= _padded(low, "0"))
            and (not high or _padded(text, "0") <= _padded(high, "9"))
        )
    if vr in _RANGES:
        _check_range(vr, value, "")
        return lambda text: text == value or (vr == "TM" and text.startswith(value))
    if vr == "UI":
        uids = set(uid_list(value))
        return lambda text: text in uids
    if vr in _NUMBERS:
        try:
            number = float(value)
        except ValueError:
            raise BadRequest("a numeric attribute is compared with what is no number") from None
        return lambda text: _is_number(text, number)
    pattern = _pattern(value, re.IGNORECASE if vr == "PN" else 0)
    if vr == "PN":
        # Trailing component separators do not distinguish names (PS3.5 6.2.1).
        return lambda text: bool(pattern.fullmatch(text.rstrip("^ ")) or pattern.fullmatch(text))
    return lambda text: bool(pattern.fullmatch(text.strip()))


def _pattern(value: str, flags: int) -> re.Pattern[str]:
    """``*`` any run of characters, ``?`` any one."""
    if value.count("*") > 8:
        raise BadRequest("a pattern has more wildcards than are taken (8)")
    collapsed = re.sub(r"\*+", "*", value)
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in collapsed)
    return re.compile("".join(parts), flags | re.DOTALL)


def _check_range(vr: str, *ends: str) -> None:
    digits = {
        "DA": r"\d{8}",
        "TM": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?",
        "DT": r"\d{4,14}(\.\d{1,6})?",
    }
    for end in ends:
        if end and not re.fullmatch(digits[vr], end):
            raise BadRequest("a date or time of the query is none (YYYYMMDD, HHMMSS)")


def _is_negative_offset(vr: str, value: str) -> bool:
    return vr == "DT" and re.fullmatch(r"\d{4,14}(\.\d+)?-\d{4}", value) is not None


def _padded(text: str, fill: str) -> str:
    """Digits to a common length, so that they compare as text: 1030 is 103000.000000 or, at a range's end, 103099.999999."""
    whole, _, fraction = text.partition(".")
    return whole.ljust(14, fill) + "." + fraction.ljust(6, fill)


def _is_number(text: str, number: float) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False
