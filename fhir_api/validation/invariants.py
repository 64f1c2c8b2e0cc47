"""Invariants as rules: R4's FHIRPath conditions on types and elements, compiled when a type's shape is.

Those on the data types that every resource is full of are written out in ``rules``; the others run as FHIRPath. Every
object that is checked grants steps to them, so the time of all invariants together is linear in the resource. As the
reference validator has it, a condition that is empty does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fhir_api.definitions.elements import TYPES
from fhir_api.definitions.invariants import Invariant, invariants_of
from fhir_api.fhirpath import EvaluationError, Expression, Node, TooCostly, compile_expression
from fhir_api.fhirpath.evaluation import Evaluation
from fhir_api.fhirpath.nodes import children_named
from fhir_api.validation.rules import NATIVE
from fhir_api.validation.shapes import Json, Rule
from fhir_api.validation.visit import Path, Problem, Visit

TOO_COSTLY = Problem("too-costly", "The invariants of this resource take too long to check.")


def invariant_rules(type_: str) -> Iterator[Rule]:
    """The rules for the invariants of a type, and for those that only some of its elements have."""
    own = invariants_of(type_)
    for invariant in own:
        if invariant.key in NATIVE:
            yield NATIVE[invariant.key](invariant)
    compiled = _conditions(own)
    if compiled:
        yield _of_type(type_, compiled)
    for name in TYPES[type_].elements:
        path = f"{type_}.{name}"
        on_element = _conditions(invariants_of(path)) if path not in TYPES else ()
        if on_element:
            yield _of_element(type_, name.removesuffix("[x]"), on_element)


@dataclass(frozen=True, slots=True)
class Condition:
    """An invariant that is checked by evaluating it, and what is wrong where it does not hold."""

    expression: Expression
    problem: Problem
    severity: str


def condition_of(invariant: Invariant) -> Condition:
    """Compiles an invariant. Raises ExpressionError where its expression cannot be."""
    problem = Problem("invariant", f"{invariant.text.rstrip('.')} ({invariant.key}).")
    return Condition(compile_expression(invariant.expression), problem, invariant.severity)


def check_conditions(conditions: Sequence[Condition], node: Node, path: Path, visit: Visit) -> None:
    """Add an issue to ``visit`` for each condition that does not hold at ``node``, which stands at ``path``."""
    if visit.steps < 0:
        return
    resource, root = visit.resource, visit.scope.root
    evaluation = Evaluation(
        node, resource, root, steps=visit.steps, resolve=visit.surroundings.resolve
    )
    for condition in conditions:
        try:
            holds = condition.expression.within(evaluation)
        except EvaluationError:
            # What is built wrongly has been told already, and its invariants say no more than that.
            holds = visit.has_errors
        except TooCostly:
            visit.steps = -1
            visit.add(path, TOO_COSTLY)
            return
        if holds is not True:
            visit.add(path, condition.problem, condition.severity)
    visit.steps = evaluation.steps


def _conditions(invariants: Sequence[Invariant]) -> tuple[Condition, ...]:
    return tuple(condition_of(found) for found in invariants if found.key not in NATIVE)


def _of_type(type_: str, conditions: Sequence[Condition]) -> Rule:
    def rule(value: Json, path: Path, visit: Visit) -> None:
        resource = visit.resource
        node = resource if resource.value is value else Node(value, type_, resource)
        check_conditions(conditions, node, path, visit)

    return rule


def _of_element(type_: str, name: str, conditions: Sequence[Condition]) -> Rule:
    def rule(value: Json, path: Path, visit: Visit) -> None:
        owner = Node(value, type_, visit.resource)
        for child in children_named(owner, name):
            check_conditions(conditions, child, (path, child.name, child.index), visit)

    return rule
