"""What a stored resource refers to under some of its parameters, without reading all of it.

Only the top-level members that the parameters start at are decoded, so that a study's thousand instances cost an
``_include`` of its subject next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from fhir_api.search.extractor import compile_extractor
from fhir_api.search.parameters import SearchParameter
from fhir_api.search.paths import Child, tree_of
from store.entries import Entry, ReferenceEntry

Key = tuple[str, str]
"""Type and id."""

References = Callable[[bytes, str], Iterator[Key]]
"""From a resource's JSON and the base URL below which absolute references are local ones, in the order they stand."""


@lru_cache(maxsize=1024)
def references_of(type: str, parameters: tuple[SearchParameter, ...]) -> References:
    """The function that finds the local references of a resource of ``type`` under these parameters."""
    ways = tree_of(type, parameters).children
    members = list(dict.fromkeys(way.name for way in ways if isinstance(way, Child)))
    extract = compile_extractor(type, parameters)
    decoder = _decoder(members)

    def references(content: bytes, base_url: str) -> Iterator[Key]:
        part = decoder.decode(content)
        tree = {
            name: value
            for at, name in enumerate(members)
            if (value := getattr(part, f"m{at}")) is not None
        }
        entries: list[Entry] = []
        extract(tree, entries.append, base_url)
        for entry in entries:
            if isinstance(entry, ReferenceEntry) and entry.target_type and entry.target_id:
                yield entry.target_type, entry.target_id

    return references


def _decoder(members: list[str]) -> msgspec.json.Decoder[Any]:
    """Decodes these members of an object and skips the others; decimals, which no reference holds, stay text."""
    fields = [(f"m{at}", Any, None) for at in range(len(members))]
    rename = {f"m{at}": name for at, name in enumerate(members)}
    part = msgspec.defstruct("Part", fields, rename=rename)
    return msgspec.json.Decoder(part, float_hook=str)
