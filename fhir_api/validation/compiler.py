"""Definitions → shapes, each when it is first needed."""

from __future__ import annotations

from collections.abc import Iterator
from threading import RLock

from fhir_api.definitions.elements import PRIMITIVES, TYPES, Element, Property, properties_of
from fhir_api.validation import members
from fhir_api.validation.bindings import bound_code, bound_concept, bound_if_possible
from fhir_api.validation.invariants import invariant_rules
from fhir_api.validation.primitives import CHECKS
from fhir_api.validation.references import ReferenceRule
from fhir_api.validation.resources import contained_resources, resource_type_member, single_resource
from fhir_api.validation.rules import TYPE_RULES, simple_quantity
from fhir_api.validation.shapes import MemberCheck, Rule, Shape
from fhir_api.validation.visit import Problem

LOCAL_URIS = frozenset({"uri", "url", "canonical"})
BOUND_TYPES = frozenset({"CodeableConcept", "Coding", "Quantity", "Duration"})
"""Those that R4 binds extensibly, except for the uri of a type's name and Expression.language."""


class Shapes:
    """The shapes of all types, each compiled once. Safe to share between threads."""

    def __init__(self) -> None:
        self._compiled: dict[str, Shape] = {}
        self._lock = RLock()

    def of(self, type_: str) -> Shape:
        """The shape of a type or backbone element. Raises KeyError where R4 has none of that name."""
        shape = self._compiled.get(type_)
        if shape is None:
            with self._lock:
                started: dict[str, Shape] = {}
                shape = self._started(type_, started)
                # Published together, so that no thread meets a shape that is only half there.
                self._compiled.update(started)
        return shape

    def _started(self, type_: str, started: dict[str, Shape]) -> Shape:
        """The shape of ``type_`` and of all types in it; types hold each other in circles, hence ``started``."""
        known = self._compiled.get(type_) or started.get(type_)
        if known is not None:
            return known
        definition = TYPES[type_]
        is_resource = definition.kind == "resource"
        shape = started[type_] = Shape(type_, id_suffices=is_resource or type_ == "Element")
        if is_resource:
            shape.members["resourceType"] = resource_type_member
        for found in properties_of(type_).values():
            shape.members.update(self._members(found, started))
        for name, element in definition.elements.items():
            plain = name.removesuffix("[x]")
            if element.min:
                problem = Problem("required", f"{type_} must have the element {plain}.")
                shape.required.append((plain, frozenset(_spellings(type_, name)), problem))
        shape.choices = {
            found.name: found.element_name.removesuffix("[x]")
            for found in properties_of(type_).values()
            if found.element_name.endswith("[x]")
        }
        if type_ in TYPE_RULES:
            shape.rules.append(TYPE_RULES[type_])
        shape.rules += invariant_rules(type_)
        return shape

    def _members(
        self, found: Property, started: dict[str, Shape]
    ) -> Iterator[tuple[str, MemberCheck]]:
        name, element = found.name, found.element
        if found.type == "Resource":
            make = contained_resources if element.repeats else single_resource
            yield name, make(name, self.of)
        elif found.type in PRIMITIVES:
            yield name, _primitive(found)
            extras = members.repeated_extras if element.repeats else members.single_extras
            yield f"_{name}", extras(name, self._started("Element", started))
        else:
            shape = self._started(found.type, started)
            rules = tuple(_rules(found.type, element))
            make_object = members.repeated_object if element.repeats else members.single_object
            yield name, make_object(name, shape, rules)


def _primitive(found: Property) -> MemberCheck:
    codes = found.element.codes
    problem_of = CHECKS[found.type] if codes is None else bound_code(found.type, codes)
    make = members.repeated_primitive if found.element.repeats else members.single_primitive
    check = make(found.name, problem_of)
    if found.type in LOCAL_URIS:
        return members.local_uri(found.name, check, is_canonical=found.type == "canonical")
    return check


def _rules(type_: str, element: Element) -> Iterator[Rule]:
    if type_ == "Reference":
        yield ReferenceRule(element.targets or ("Resource",))
    elif type_ == "CodeableConcept" and element.codes is not None:
        rule = bound_concept(element.codes)
        if rule is not None:
            yield rule
    elif element.simple_quantity and type_ == "Quantity":
        yield simple_quantity
    if element.extensible is not None and type_ in BOUND_TYPES:
        yield bound_if_possible(type_, element.extensible)


def _spellings(type_: str, element_name: str) -> Iterator[str]:
    """The JSON members that can hold an element: one for each type of a choice, and the ``_`` ones of primitives."""
    for found in properties_of(type_).values():
        if found.element_name == element_name:
            yield found.name
            if found.type in PRIMITIVES:
                yield f"_{found.name}"
