"""What a client takes: the Accept header, or the ``accept`` query parameter, which goes before it.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_8.7.html (media types),
https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from imaging.dicomweb.multipart import MediaType

_COMMA_OUTSIDE_QUOTES = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')


@dataclass(frozen=True, slots=True)
class Accepted:
    """One media range. ``multipart``: it was ``multipart/related; type=<name>``."""

    name: str
    multipart: bool
    transfer_syntax: str | None
    quality: float

    def covers(self, name: str) -> bool:
        """Whether the range takes this media type."""
        if self.name in {"*/*", name}:
            return True
        kind, _, rest = self.name.partition("/")
        return rest == "*" and name.startswith(kind + "/")


def accepted(header: str | None, parameters: Sequence[str] = ()) -> list[Accepted]:
    """The ranges in order of preference. An absent or empty header takes everything."""
    ranges = [one for text in parameters for one in _ranges(text)]
    if not ranges:
        ranges = _ranges(header or "*/*")
    wanted = [one for one in ranges if one.quality > 0]
    return sorted(wanted, key=lambda one: -one.quality)


def _ranges(header: str) -> list[Accepted]:
    return [_range(item) for item in _COMMA_OUTSIDE_QUOTES.split(header) if item.strip()]


def _range(text: str) -> Accepted:
    media = MediaType.parse(text.strip())
    parameters = media.parameters
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = 0.0
    multipart = media.name == "multipart/related"
    # multipart/related without a type is a range over DICOM objects (PS3.18 8.7.4).
    name = parameters.get("type", "application/dicom").lower() if multipart else media.name
    return Accepted(name, multipart, parameters.get("transfer-syntax"), quality)
