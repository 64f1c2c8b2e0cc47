"""Code systems: their codes and how these stand to each other (https://hl7.org/fhir/R4/codesystem.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

PARENT_PROPERTIES = frozenset({"parent", "subsumedBy"})
"""Properties by which a flat list of concepts tells its hierarchy."""


@dataclass(frozen=True, slots=True)
class Concept:
    """One code. ``properties``: name → values, each a string, number or boolean, a Coding by its code."""

    code: str
    display: str | None
    parents: tuple[str, ...]
    properties: Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class CodeSystem:
    """One code system. Not ``is_complete``: there are codes that are not listed here."""

    url: str
    version: str | None
    is_complete: bool
    concepts: Mapping[str, Concept]
    """Code → concept. Where codes are not case sensitive, each is found by its lower case too."""
    is_case_sensitive: bool = True
    codes: frozenset[str] = field(default=frozenset(), repr=False)
    """The codes as they are defined."""

    def find(self, code: str) -> Concept | None:
        """The concept of a code, or None where the system does not list it."""
        found = self.concepts.get(code)
        if found is None and not self.is_case_sensitive:
            return self.concepts.get(code.lower())
        return found

    def below(self, code: str) -> frozenset[str]:
        """The code and every code that is subsumed by it; empty where the system does not list the code."""
        return self._reached(code, self._children)

    def above(self, code: str) -> frozenset[str]:
        """The code and every code that subsumes it; empty where the system does not list the code."""
        return self._reached(code, {code: c.parents for code, c in self.concepts.items()})

    def _reached(self, code: str, steps: Mapping[str, Iterable[str]]) -> frozenset[str]:
        concept = self.find(code)
        if concept is None:
            return frozenset()
        reached = {concept.code}
        waiting = [concept.code]
        while waiting:
            for next_ in steps.get(waiting.pop(), ()):
                if next_ in self.codes and next_ not in reached:
                    reached.add(next_)
                    waiting.append(next_)
        return frozenset(reached)

    @cached_property
    def _children(self) -> Mapping[str, list[str]]:
        children: dict[str, list[str]] = {}
        for code in self.codes:
            for parent in self.concepts[code].parents:
                children.setdefault(parent, []).append(code)
        return children


def read_code_system(resource: Mapping[str, Any]) -> CodeSystem:
    """The code system that a valid CodeSystem resource defines."""
    is_case_sensitive = bool(resource.get("caseSensitive", True))
    concepts = {concept.code: concept for concept in _concepts(resource)}
    found = dict(concepts)
    if not is_case_sensitive:
        for code, concept in concepts.items():
            found.setdefault(code.lower(), concept)
    return CodeSystem(
        url=resource.get("url", ""),
        version=resource.get("version"),
        is_complete=resource.get("content") == "complete",
        concepts=found,
        is_case_sensitive=is_case_sensitive,
        codes=frozenset(concepts),
    )


def _concepts(resource: Mapping[str, Any]) -> Iterator[Concept]:
    """Every concept, those of ``child`` properties with their parents."""
    listed: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    waiting = [(row, "") for row in reversed(resource.get("concept", ()))]
    while waiting:
        row, parent = waiting.pop()
        parents = listed.setdefault(row["code"], (row, []))[1]
        if parent:
            parents.append(parent)
        waiting += [(child, row["code"]) for child in reversed(row.get("concept", ()))]
    properties = {code: _properties(row) for code, (row, _) in listed.items()}
    for code, found in properties.items():
        for child in found.get("child", ()):
            if child in listed:
                listed[child][1].append(code)
    for code, (row, parents) in listed.items():
        for name in PARENT_PROPERTIES:
            parents.extend(properties[code].get(name, ()))
        yield Concept(code, row.get("display"), tuple(dict.fromkeys(parents)), properties[code])


def _properties(row: Mapping[str, Any]) -> Mapping[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for item in row.get("property", ()):
        name = item.get("code")
        value = next((v for key, v in item.items() if key.startswith("value")), None)
        if isinstance(value, Mapping):
            value = value.get("code")
        if isinstance(name, str) and value is not None:
            found[name] = (*found.get(name, ()), value)
    return found
