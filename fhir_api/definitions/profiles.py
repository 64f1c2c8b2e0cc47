"""The profiles and extensions that R4 itself defines, read from the generated table.

https://hl7.org/fhir/R4/profilelist.html
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from fhir_api.definitions.elements import TABLES


def published_profile(url: str) -> Mapping[str, Any] | None:
    """The StructureDefinition of that canonical URL, with what of its differential can be checked."""
    raw = _table().get(url)
    return None if raw is None else msgspec.json.decode(raw, type=dict[str, Any])


def published_profile_urls() -> frozenset[str]:
    """The canonical URLs of all of them."""
    return frozenset(_table())


@cache
def _table() -> Mapping[str, msgspec.Raw]:
    content = gzip.decompress((TABLES / "profiles.json.gz").read_bytes())
    return msgspec.json.decode(content, type=dict[str, msgspec.Raw])
