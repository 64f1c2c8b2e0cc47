"""Code systems whose codes no list can hold: a grammar says what is a code.

https://hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from terminology.ucum import is_valid_unit

LONGEST_CODE: Final = 1000

LANGUAGES: Final = "urn:ietf:bcp:47"
MIME_TYPES: Final = "urn:ietf:bcp:13"
UNITS: Final = "http://unitsofmeasure.org"

_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.IGNORECASE,
)
"""RFC 5646, section 2.1, without the grandfathered tags."""
_MIME_TYPE = re.compile(r"[\w!#$&^.+\-]+/[\w!#$&^.+\-*]+(?:\s*;.*)?")


def is_language(code: str) -> bool:
    """Whether this is a well-formed language tag (BCP 47)."""
    return len(code) <= LONGEST_CODE and _LANGUAGE.fullmatch(code) is not None


def is_mime_type(code: str) -> bool:
    """Whether this is a MIME type (BCP 13): type/subtype, with or without parameters."""
    return len(code) <= LONGEST_CODE and _MIME_TYPE.fullmatch(code) is not None


GRAMMARS: Mapping[str, Callable[[str], bool]] = {
    LANGUAGES: is_language,
    MIME_TYPES: is_mime_type,
    UNITS: is_valid_unit,
}
"""System → whether a text is one of its codes."""
