"""The profiles that are known, each compiled when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Any, Final

from fhir_api.conformance.constraint_tree import (
    STRUCTURE_DEFINITION,
    Constraints,
    ProfileInvalid,
    constraint_tree,
)
from fhir_api.definitions.elements import PRIMITIVES, TYPES
from fhir_api.errors import Issue
from fhir_api.validation.profiles.compiling import Compiler
from fhir_api.validation.profiles.rules import NOTHING, ItemRule
from terminology.terminology import Terminology

FindDefinition = Callable[[str, str], Mapping[str, Any] | None]
"""(resource type, canonical with or without ``|version``) → StructureDefinition, ValueSet or CodeSystem."""

MOST_REMEMBERED: Final = 2048


@dataclass(frozen=True, slots=True)
class Profile:
    """A StructureDefinition as checks. ``rule`` None: it cannot be used; ``problems`` say why."""

    url: str
    type: str
    rule: ItemRule | None
    problems: tuple[str, ...] = ()
    """What of it cannot be checked."""
    context: tuple[Mapping[str, Any], ...] = ()
    """Of an extension: where it may stand."""
    is_modifier: bool = False
    """Of an extension: whether it belongs in modifierExtension."""


class Profiles:
    """Profiles and the codes they ask for, as ``find`` has them now. Safe to share between threads.

    It remembers what it compiled: make a new one when ``find`` has something new.
    """

    def __init__(self, find: FindDefinition, supported: tuple[tuple[str, str], ...] = ()) -> None:
        """``supported``: resource type and canonical URL of each profile that was loaded or stored."""
        self._find = find
        self.supported = supported
        self._compiled: dict[str, Profile | None] = {}
        self._lock = RLock()
        self.terminology = Terminology(find)

    def get(self, canonical: str) -> Profile | None:
        """The profile; None where it is not loaded. R4's own types are profiles that ask for nothing more."""
        known = self._compiled.get(canonical)
        if known is None and canonical not in self._compiled:
            with self._lock:
                if (
                    len(self._compiled) >= MOST_REMEMBERED
                ):  # a client chooses what it names in meta.profile
                    self._compiled.clear()
                known = self._compiled[canonical] = self._compile(canonical)
        return known

    def compile(self, definition: Mapping[str, Any]) -> Profile:
        """A StructureDefinition that need not be loaded, as a profile. Of a broken one ``rule`` is None."""
        url = str(definition.get("url", ""))
        name = str(definition.get("name") or url)
        compiler = Compiler(name, self._tree)
        try:
            tree = constraint_tree(definition, self._structure)
            rule = compiler.item(tree)
        except ProfileInvalid as exc:
            return Profile(url, str(definition.get("type", "")), None, (str(exc),))
        except (TypeError, AttributeError, KeyError, ValueError, RecursionError):
            text = "It is not what a StructureDefinition must be."
            return Profile(url, str(definition.get("type", "")), None, (text,))
        return Profile(
            url,
            tree.types[0],
            rule,
            tuple(compiler.problems),
            tuple(definition.get("context", ())),
            bool(tree.definition.get("isModifier")),
        )

    def notes(self, definition: Mapping[str, Any]) -> list[Issue]:
        """What of a valid StructureDefinition cannot be used to validate others: warnings."""
        if definition.get("derivation") != "constraint":
            return []
        compiled = self.compile(definition)
        said = "This profile cannot be used" if compiled.rule is None else "A part is not checked"
        place = "StructureDefinition"
        return [
            Issue("warning", "not-supported", f"{said}. {problem}", place)
            for problem in compiled.problems
        ]

    def _compile(self, canonical: str) -> Profile | None:
        name = canonical.partition("|")[0].removeprefix(STRUCTURE_DEFINITION)
        if name in TYPES or name in PRIMITIVES:
            return Profile(canonical, name, NOTHING)
        definition = self._structure(canonical)
        return None if definition is None else self.compile(definition)

    def _structure(self, canonical: str) -> Mapping[str, Any] | None:
        return self._find("StructureDefinition", canonical)

    def _tree(self, canonical: str) -> Constraints | None:
        definition = self._structure(canonical)
        if definition is None or definition.get("derivation") != "constraint":
            return None
        return constraint_tree(definition, self._structure)
