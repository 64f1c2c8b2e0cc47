"""The code systems and value sets that come with R4 4.0.1 (HL7's own, DICOM's, ISO's currencies), as they are published.

``r4/`` is generated and never edited: ``python -m fhir_api.definitions.generate`` writes it.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

TABLES = Path(__file__).with_name("r4")
_FILES = {"CodeSystem": "code_systems.json.gz", "ValueSet": "value_sets.json.gz"}


def published(type: str, url: str) -> Mapping[str, Any] | None:
    """The CodeSystem or ValueSet of that canonical URL, with all that decides about its codes; None: R4 has none."""
    raw = _table(type).get(url)
    return None if raw is None else msgspec.json.decode(raw, type=dict[str, Any])


def published_urls(type: str) -> frozenset[str]:
    """The canonical URLs of the CodeSystems or ValueSets of R4."""
    return frozenset(_table(type))


@cache
def _table(type: str) -> Mapping[str, msgspec.Raw]:
    content = gzip.decompress((TABLES / _FILES[type]).read_bytes())
    return msgspec.json.decode(content, type=dict[str, msgspec.Raw])
