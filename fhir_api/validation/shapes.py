"""Types as checks: every type of R4 compiled, once it is needed, into a table from JSON member to a function.

An object is checked in one pass over the members it has, so the cost follows the resource and not its definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fhir_api.validation.primitives import wrong_json_type
from fhir_api.validation.visit import MAX_DEPTH, STEPS_AN_OBJECT, Path, Problem, Visit

Json: TypeAlias = dict[str, Any]
MemberCheck: TypeAlias = Callable[[Any, Json, Path, Visit], None]
"""Checks a member's value, given the object that holds it and that object's path."""
Rule: TypeAlias = Callable[[Json, Path, Visit], None]
"""Checks an object beyond its members."""

EMPTY_OBJECT = Problem("structure", "An object must not be empty (ele-1).")
ONLY_ID = Problem("invariant", "An element must have more than an id (ele-1).")
NULL = Problem("structure", "null is allowed in arrays of primitives only.")
TOO_DEEP = Problem("too-costly", f"Elements must not be nested deeper than {MAX_DEPTH} levels.")
TWO_CHOICES = Problem("structure", "Only one of the types of this element may be present.")


class Shape:
    """The check of one type: a resource, a data type or a backbone element."""

    __slots__ = ("choices", "id_suffices", "members", "name", "required", "rules")

    def __init__(self, name: str, *, id_suffices: bool) -> None:
        self.name = name
        self.id_suffices = id_suffices
        """Whether a lone id is enough: of a resource, and beside a primitive that has a value."""
        self.members: dict[str, MemberCheck] = {}
        self.required: list[tuple[str, frozenset[str], Problem]] = []
        """Element name, the members of which one must be there, and the problem where none is."""
        self.choices: Mapping[str, str] = {}
        """Member of a choice → the name of its element."""
        self.rules: list[Rule] = []

    def check(self, value: object, path: Path, visit: Visit) -> None:
        """Add to ``visit`` everything that is wrong with ``value`` as an instance of this type."""
        if type(value) is not dict:
            visit.add(path, wrong_json_type(value, "an object"))
            return
        if visit.depth >= MAX_DEPTH:
            visit.add(path, TOO_DEEP)
            return
        if not value:
            visit.add(path, EMPTY_OBJECT)
        visit.depth += 1
        visit.steps += STEPS_AN_OBJECT
        members = self.members
        for name, item in value.items():
            member = members.get(name)
            if member is None:
                visit.add(*_unknown(name, path, self.name))
            elif item is None:
                visit.add((path, name.removeprefix("_"), None), NULL)
            else:
                member(item, value, path, visit)
        for element, names, problem in self.required:
            if names.isdisjoint(value):
                visit.add((path, element, None), problem)
        if self.choices:
            self._check_choices(value, path, visit)
        if len(value) == 1 and "id" in value and not self.id_suffices:
            visit.add(path, ONLY_ID)
        for rule in self.rules:
            rule(value, path, visit)
        visit.depth -= 1

    def _check_choices(self, value: Json, path: Path, visit: Visit) -> None:
        choices = self.choices
        chosen: dict[str, str] = {}
        for name in value:
            plain = name.removeprefix("_")
            element = choices.get(plain)
            if element is not None and chosen.setdefault(element, plain) != plain:
                visit.add((path, element, None), TWO_CHOICES)


def _unknown(name: str, path: Path, type_: str) -> tuple[Path, Problem]:
    if name.isidentifier() and len(name) <= 64:
        return (path, name, None), Problem("structure", f"{type_} has no element {name}.")
    return path, Problem("structure", f"{type_} has no element of this name.")
