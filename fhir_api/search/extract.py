"""What a resource can be found by: its index entries, by the R4 search parameters of its type."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fhir_api.search.extractor import Extractor, compile_extractor
from fhir_api.search.internal_parameters import internal_parameters
from fhir_api.search.parameters import SearchParameter, parameters_of
from store.entries import Entry


def entries_of(
    type: str, resource: dict[str, Any], base_url: str, added: tuple[SearchParameter, ...] = ()
) -> tuple[Entry, ...]:
    """The index entries of ``resource``, each once, in the order of its elements.

    ``added`` are parameters beyond R4's. An absolute reference below ``base_url`` is a local one. ``_id`` and ``_lastUpdated`` have no entries: the store
    answers them from its own columns. Parts that R4 does not allow have none either, so this never raises for what a
    client sent. Raises KeyError where ``type`` is no resource type.
    """
    found: list[Entry] = []
    _extractor(type, added)(resource, found.append, base_url)
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=512)
def _extractor(type_: str, added: tuple[SearchParameter, ...]) -> Extractor:
    ours = internal_parameters(type_)
    return compile_extractor(type_, (*parameters_of(type_).values(), *ours, *added))
