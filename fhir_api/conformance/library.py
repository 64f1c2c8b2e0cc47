"""Definitions by their canonical URL: stored ones before those of loaded packages, these before R4's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from fhir_api.definitions.profiles import published_profile

TYPES: Final = ("StructureDefinition", "ValueSet", "CodeSystem")
"""The resource types that decide how others are validated."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A conformance resource as it was loaded."""

    type: str
    url: str
    version: str | None
    content: bytes = field(repr=False)
    origin: str = ""
    """The package it came with; '' for a stored one."""
    profile_of: str = ""
    """The resource type that it is a profile of; '' where it is none."""


def read_definition(content: bytes, origin: str = "") -> Definition | None:
    """The definition in these bytes; None where they are none of ``TYPES`` with a canonical URL.

    Raises:
        ValueError: not JSON.
    """
    tree = orjson.loads(content)
    if not isinstance(tree, dict) or tree.get("resourceType") not in TYPES:
        return None
    url, version = tree.get("url"), tree.get("version")
    if not isinstance(url, str) or not url:
        return None
    return Definition(
        type=tree["resourceType"],
        url=url,
        version=version if isinstance(version, str) else None,
        content=content,
        origin=origin,
        profile_of=_profile_of(tree),
    )


def _profile_of(tree: Mapping[str, Any]) -> str:
    is_profile = tree.get("kind") == "resource" and tree.get("derivation") == "constraint"
    return str(tree.get("type", "")) if is_profile else ""


class Library:
    """What is loaded, at one moment: a change makes a new library."""

    def __init__(self, layers: Iterable[Iterable[Definition]] = ()) -> None:
        """``layers``: those that come first hide what later ones have under the same canonical."""
        self._by_url: dict[tuple[str, str], list[Definition]] = {}
        for layer in layers:
            for definition in layer:
                self._by_url.setdefault((definition.type, definition.url), []).append(definition)
        self._trees: dict[tuple[str, str], Mapping[str, Any]] = {}

    @property
    def resource_profiles(self) -> tuple[tuple[str, str], ...]:
        """Resource type and canonical URL of every profile of a resource that was loaded or stored, in order."""
        found = [rows[0] for (type, _), rows in self._by_url.items() if type == TYPES[0]]
        return tuple(sorted((d.profile_of, d.url) for d in found if d.profile_of))

    def find(self, type: str, canonical: str) -> Mapping[str, Any] | None:
        """The resource of that canonical URL, of that version where it names one with ``|``.

        What R4 publishes itself has its value sets and code systems in ``terminology``; here its profiles are found.
        """
        url, _, version = canonical.partition("|")
        for definition in self._by_url.get((type, url), ()):
            if version in ("", definition.version):
                return self._tree(definition)
        if type != "StructureDefinition":
            return None
        published = published_profile(url)
        return published if published and version in ("", published.get("version")) else None

    def _tree(self, definition: Definition) -> Mapping[str, Any]:
        key = (definition.type, f"{definition.url}|{definition.version}")
        tree = self._trees.get(key)
        if tree is None:
            tree = self._trees[key] = orjson.loads(definition.content)
        return tree
