"""What a compiled profile is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from fhir_api.fhirpath import Node
from fhir_api.validation.profiles.run import Run
from fhir_api.validation.visit import Problem

Test: TypeAlias = Callable[[Node, Run], Problem | None]
"""What is wrong with an element, or None. Of such are the tests that can tell slices apart."""
Check: TypeAlias = Callable[[Node, Run], None]
"""Adds to the run whatever is wrong with an element."""
Criterion: TypeAlias = Callable[[Node, Run], bool]
"""Whether an element belongs to a slice, as far as one discriminator can tell."""


@dataclass(frozen=True, slots=True)
class ItemRule:
    """What each instance of an element, or of a slice of it, must meet."""

    tests: tuple[Test, ...] = ()
    """Fixed values, patterns, required bindings."""
    checks: tuple[Check, ...] = ()
    children: tuple[ElementRule, ...] = ()

    @property
    def identifies(self) -> bool:
        """Whether something in it can tell one instance from another."""
        return bool(self.tests) or any(child.identifies for child in self.children)


@dataclass(frozen=True, slots=True)
class ElementRule:
    """What an element must meet: how often it is there, each instance, and its slices."""

    name: str
    """Without ``[x]``."""
    min: int
    max: int | None
    item: ItemRule
    slicing: Slicing | None
    profile: str
    """Whose rule it is, as messages name it."""

    @property
    def identifies(self) -> bool:
        slices = self.slicing.slices if self.slicing else ()
        return self.item.identifies or any(slice_.item.identifies for slice_ in slices)


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of an element's instances: those that meet all ``criteria``, and were not taken by a slice before."""

    name: str
    min: int
    max: int | None
    criteria: tuple[Criterion, ...]
    item: ItemRule
    slicing: Slicing | None

    @property
    def is_default(self) -> bool:
        """Whether it takes what no other slice does."""
        return self.name == "@default"


@dataclass(frozen=True, slots=True)
class Slicing:
    """https://hl7.org/fhir/R4/profiling.html#slicing"""

    rules: str
    """open, closed, openAtEnd."""
    ordered: bool
    slices: tuple[Slice, ...]
    profile: str


NOTHING = ItemRule()
