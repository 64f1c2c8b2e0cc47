"""What a stored resource refers to under some of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from fhir_api.search.parameters import SearchParameter
from fhir_api.search.partial import partial_extractor
from store.entries import ReferenceEntry

Key = tuple[str, str]
"""Type and id."""

References = Callable[[bytes, str], Iterator[Key]]
"""From a resource's JSON and the base URL below which absolute references are local ones, in the order they stand."""


@lru_cache(maxsize=1024)
def references_of(type: str, parameters: tuple[SearchParameter, ...]) -> References:
    """The function that finds the local references of a resource of ``type`` under these parameters."""
    entries_of = partial_extractor(type, parameters)

    def references(content: bytes, base_url: str) -> Iterator[Key]:
        for entry in entries_of(content, base_url):
            if isinstance(entry, ReferenceEntry) and entry.target_type and entry.target_id:
                yield entry.target_type, entry.target_id

    return references
