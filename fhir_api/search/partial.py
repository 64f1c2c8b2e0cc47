"""The entries of a stored resource under some of its parameters, without reading all of it.

Only the top-level members that the parameters start at are decoded, so that a study's thousand instances cost a look at
its subject next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from fhir_api.search.extractor import compile_extractor
from fhir_api.search.parameters import SearchParameter
from fhir_api.search.paths import Child, tree_of
from store.entries import Entry

WITHOUT_DECIMALS = frozenset({"reference", "token", "uri", "string", "date"})
"""The types of parameters whose entries can be told so."""

PartialExtractor = Callable[[bytes, str], list[Entry]]
"""From a resource's JSON and the base URL below which absolute references are local ones, in the order they stand."""


@lru_cache(maxsize=1024)
def partial_extractor(type: str, parameters: tuple[SearchParameter, ...]) -> PartialExtractor:
    """The function that finds the entries of a resource of ``type`` under these parameters, of WITHOUT_DECIMALS."""
    ways = tree_of(type, parameters).children
    members = list(dict.fromkeys(way.name for way in ways if isinstance(way, Child)))
    extract = compile_extractor(type, parameters)
    decode = _decoder(members).decode
    fields = [(f"m{at}", name) for at, name in enumerate(members)]

    def entries(content: bytes, base_url: str) -> list[Entry]:
        part = decode(content)
        tree = {
            name: value for field, name in fields if (value := getattr(part, field)) is not None
        }
        found: list[Entry] = []
        extract(tree, found.append, base_url)
        return found

    return entries


def _decoder(members: list[str]) -> msgspec.json.Decoder[Any]:
    """Decodes these members of an object and skips the others; decimals stay text."""
    fields = [(f"m{at}", Any, None) for at in range(len(members))]
    rename = {f"m{at}": name for at, name in enumerate(members)}
    part = msgspec.defstruct("Part", fields, rename=rename)
    return msgspec.json.Decoder(part, float_hook=str)
