"""What a resource can be found by: its index entries, by the R4 search parameters of its type."""

from __future__ import annotations

from typing import Any

from store.entries import Entry


def entries_of(type: str, resource: dict[str, Any], base_url: str) -> tuple[Entry, ...]:
    """The index entries of ``resource``. An absolute reference below ``base_url`` is a local one."""
    return ()
