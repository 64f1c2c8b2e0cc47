"""What the text of a literal reference points at (https://hl7.org/fhir/R4/references.html#literal)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from fhir_api.definitions.elements import RESOURCE_TYPES

_TYPE_ID = r"([A-Z][A-Za-z]{1,40})/([A-Za-z0-9\-.]{1,64})"
_VERSION = r"(?:/_history/[A-Za-z0-9\-.]{1,64})?"
_RELATIVE = re.compile(_TYPE_ID + _VERSION)
_ABSOLUTE = re.compile(rf"(https?://[^\s?#]+?)/{_TYPE_ID}{_VERSION}")


@dataclass(frozen=True, slots=True)
class ReferenceTarget:
    """A literal reference: at ``type``/``id`` on this server where ``url`` is None, else at ``url``.

    Versions are gone: a search for a resource finds references to any version of it. ``type`` is known of a foreign
    ``url`` too where it follows the RESTful pattern.
    """

    type: str | None
    id: str | None
    url: str | None


LONGEST_REMEMBERED = 512


def target_of(reference: str, base_url: str) -> ReferenceTarget | None:
    """Where ``reference`` points, seen from the server at ``base_url``. None: inside its own resource ('#a')."""
    # A client chooses how long a reference is, so only short ones may stay in memory.
    read = _read if len(reference) <= LONGEST_REMEMBERED else _read.__wrapped__
    return read(reference, base_url)


@lru_cache(maxsize=8192)
def _read(reference: str, base_url: str) -> ReferenceTarget | None:
    if reference.startswith("#") or not reference:
        return None
    relative = _RELATIVE.fullmatch(reference)
    if relative and relative[1] in RESOURCE_TYPES:
        return ReferenceTarget(relative[1], relative[2], None)
    absolute = _ABSOLUTE.fullmatch(reference)
    if absolute and absolute[2] in RESOURCE_TYPES:
        base, type_, id_ = absolute.groups()
        if base == base_url:
            return ReferenceTarget(type_, id_, None)
        return ReferenceTarget(type_, None, f"{base}/{type_}/{id_}")
    return ReferenceTarget(None, None, reference)
