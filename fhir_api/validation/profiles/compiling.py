"""From what a profile adds to R4's types, to rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from fhir_api.conformance.constraint_tree import (
    STRUCTURE_DEFINITION,
    Constraints,
    ProfileInvalid,
)
from fhir_api.definitions.elements import Element, is_a
from fhir_api.fhirpath import EvaluationError, ExpressionError, Node, compile_expression
from fhir_api.validation.profiles import bindings
from fhir_api.validation.profiles.checking import conforms
from fhir_api.validation.profiles.discriminators import Tree, criterion
from fhir_api.validation.profiles.rules import Check, ElementRule, ItemRule, Slice, Slicing, Test
from fhir_api.validation.profiles.run import Run
from fhir_api.validation.profiles.targets import target_check
from fhir_api.validation.profiles.values import has_pattern, is_less, is_same
from fhir_api.validation.visit import Problem

R4_INVARIANTS: Final = frozenset({"ele-1", "ext-1"})
"""Constraints that snapshots repeat at every element, and that R4's own types are checked for."""


class Compiler:
    """Compiles one profile. ``problems`` are the parts of it that cannot be checked, each as a sentence."""

    def __init__(self, name: str, tree_of: Tree) -> None:
        self._name = name
        self._by = f" (profile {name})"
        self._tree_of = tree_of
        self.problems: list[str] = []

    def item(self, node: Constraints) -> ItemRule:
        """What each instance of ``node`` must meet."""
        return ItemRule(
            tests=tuple(self._tests(node)),
            checks=tuple(self._checks(node)),
            children=tuple(self._element(child) for child in node.children.values()),
        )

    def _element(self, node: Constraints) -> ElementRule:
        least, most = _counts(node.definition, node.table)
        return ElementRule(
            name=node.name.removesuffix("[x]"),
            min=least,
            max=most,
            item=self.item(node),
            slicing=self._slicing(node, node.definition.get("slicing")),
            profile=self._by,
        )

    def _slicing(self, node: Constraints, slicing: Mapping[str, Any] | None) -> Slicing | None:
        if not node.slices:
            return None
        discriminators = (slicing or {}).get("discriminator", ())
        return Slicing(
            rules=(slicing or {}).get("rules", "open"),
            ordered=bool((slicing or {}).get("ordered")),
            slices=tuple(self._slice(n, s, discriminators) for n, s in node.slices.items()),
            profile=self._by,
        )

    def _slice(
        self, name: str, node: Constraints, discriminators: Iterable[Mapping[str, str]]
    ) -> Slice:
        least, most = _counts(node.definition, None)
        rows = tuple(discriminators) or _implied(node)
        found = [criterion(row, node, self._tree_of, self) for row in rows]
        if not any(found) and name != "@default":
            self.problems.append(
                f"{node.path}: nothing of it tells the slice from others, so it is not checked."
            )
            least = 0
        inner = node.definition.get("slicing") or {"discriminator": list(rows)}
        return Slice(
            name=name,
            min=least,
            max=most,
            criteria=tuple(c for c in found if c is not None),
            item=self.item(node),
            slicing=self._slicing(node, inner),
        )

    def tests(self, node: Constraints) -> ItemRule:
        """Of ``item`` only what tells an instance from another."""
        return ItemRule(
            tests=tuple(self._tests(node)),
            children=tuple(self._element(child) for child in node.children.values()),
        )

    def _tests(self, node: Constraints) -> Iterator[Test]:
        for name, value in node.definition.items():
            if name.startswith("fixed"):
                text = f"This must be exactly what is fixed{_shown(value)}{self._by}."
                yield _value_test(is_same, value, Problem("value", text))
            elif name.startswith("pattern"):
                text = f"This must have what the pattern has{_shown(value)}{self._by}."
                yield _value_test(has_pattern, value, Problem("value", text))
        binding = node.definition.get("binding", {})
        value_set = binding.get("valueSet")
        is_r4s = node.table is not None and value_set and _plain(value_set) == node.table.codes
        if binding.get("strength") == "required" and value_set and not is_r4s:
            yield bindings.required(value_set, self._by)

    def _checks(self, node: Constraints) -> Iterator[Check]:
        definition = node.definition
        if node.table is not None and set(node.types) < set(node.table.types):
            yield _type_check(node.types, self._by)
        yield from self._limits(definition)
        binding = definition.get("binding", {})
        if binding.get("strength") == "extensible" and "valueSet" in binding:
            yield bindings.extensible(binding["valueSet"], self._by)
        # An extension is held to its definition wherever it stands, whatever names it.
        profiles = {t: p for t, p in _profiles_by_type(node).items() if p and t != "Extension"}
        if profiles:
            yield _profile_check(profiles, self._by)
        targets = target_check(node, self._by)
        if targets is not None:
            yield targets
        for row in definition.get("constraint", ()):
            check = self._constraint(row, node)
            if check is not None:
                yield check

    def _limits(self, definition: Mapping[str, Any]) -> Iterator[Check]:
        longest = definition.get("maxLength")
        if isinstance(longest, int):
            text = f"This must not be longer than {longest:,} characters{self._by}."
            yield _limit_check(lambda v: isinstance(v, str) and len(v) > longest, text)
        for name, limit in definition.items():
            if name.startswith("minValue"):
                text = f"This must not be less than the least value{_shown(limit)}{self._by}."
                yield _limit_check(_is_less_than(limit), text)
            elif name.startswith("maxValue"):
                text = f"This must not be more than the greatest value{_shown(limit)}{self._by}."
                yield _limit_check(_is_more_than(limit), text)

    def _constraint(self, row: Mapping[str, Any], node: Constraints) -> Check | None:
        key, text = row.get("key", ""), row.get("expression")
        source = _plain(str(row.get("source", "")))
        if text is None or key in R4_INVARIANTS or source in _sources_of_r4(node.types):
            return None
        try:
            expression = compile_expression(text)
        except ExpressionError as exc:
            self.problems.append(f"{node.path}: the constraint {key} cannot be read: {exc}")
            return None
        said = str(row.get("human") or "A constraint of the profile does not hold").rstrip(".")
        problem = Problem("invariant", f"{said} ({key}, profile {self._name}).")
        unfit = Problem("processing", f"The constraint {key} does not fit what is here{self._by}.")
        severity = "error" if row.get("severity") == "error" else "warning"

        def check(node: Node, run: Run) -> None:
            if severity == "warning" and not run.advice:
                return
            try:
                holds = run.holds(expression, node)
            except EvaluationError:
                run.add(node, unfit)
                return
            if not holds:
                run.add(node, problem, severity)

        return check


def _sources_of_r4(types: Iterable[str]) -> frozenset[str]:
    """The canonicals of R4's own types, as snapshots name where a constraint comes from."""
    names = {name.partition(".")[0] for name in types}
    names |= {"Element", "BackboneElement", "Resource", "DomainResource", "Extension"}
    return frozenset({*names, *(STRUCTURE_DEFINITION + name for name in names)})


def _counts(definition: Mapping[str, Any], table: Element | None) -> tuple[int, int | None]:
    """How often, where that is narrower than R4 has it."""
    least, most = definition.get("min", 0), definition.get("max", "*")
    if not isinstance(least, int) or (most != "*" and not str(most).isdigit()):
        raise ProfileInvalid("An element has a cardinality that is none.")
    limit = None if most == "*" else int(most)
    if table is None:
        return least, limit
    return (least if least > table.min else 0), (None if limit == table.max else limit)


def _implied(node: Constraints) -> tuple[Mapping[str, str], ...]:
    """A slice of a choice that is named for a type is known by its type, said or unsaid; an extension by its url."""
    if node.name.endswith("[x]"):
        return ({"type": "type", "path": "$this"},)
    if node.name in ("extension", "modifierExtension"):
        return ({"type": "value", "path": "url"},)
    return ()


def _value_test(meets: Callable[[Any, Any], bool], wanted: object, problem: Problem) -> Test:
    def test(node: Node, _run: Run) -> Problem | None:
        return None if meets(node.value, wanted) else problem

    return test


def _type_check(types: tuple[str, ...], by: str) -> Check:
    problem = Problem("structure", f"This must be of type {' or '.join(types)}{by}.")

    def check(node: Node, run: Run) -> None:
        if not any(is_a(node.type, type_) for type_ in types):
            run.add(node, problem)

    return check


def _limit_check(is_beyond: Callable[[Any], bool], text: str) -> Check:
    problem = Problem("value", text)

    def check(node: Node, run: Run) -> None:
        if is_beyond(node.value):
            run.add(node, problem)

    return check


def _profiles_by_type(node: Constraints) -> Mapping[str, tuple[str, ...]]:
    """Type → the profiles of which an element of that type must meet one."""
    rows = node.definition.get("type", ())
    return {str(row.get("code")): tuple(row.get("profile", ())) for row in rows}


def _profile_check(canonicals: Mapping[str, tuple[str, ...]], by: str) -> Check:
    """An element must meet one of the profiles of its type."""

    def check(node: Node, run: Run) -> None:
        wanted = canonicals.get(node.type) or canonicals.get("Resource", ())
        profiles = [run.profiles.get(canonical) for canonical in wanted]
        known = [profile for profile in profiles if profile is not None]
        if wanted and len(known) == len(wanted) and not any(conforms(node, p, run) for p in known):
            run.add(node, Problem("structure", f"This does not meet {' or '.join(wanted)}{by}."))

    return check


def _is_less_than(limit: object) -> Callable[[Any], bool]:
    return lambda value: is_less(value, limit)


def _is_more_than(limit: object) -> Callable[[Any], bool]:
    return lambda value: is_less(limit, value)


def _shown(value: object) -> str:
    """A value of the profile for a message, where it is short."""
    if isinstance(value, str | int | float) and len(str(value)) <= 100:
        return f", {value}"
    if isinstance(value, dict):
        codings = value.get("coding", [value])
        codes = [c.get("code") for c in codings if isinstance(c, dict) and c.get("code")]
        return f", {', '.join(map(str, codes))}" if codes else ""
    return ""


def _plain(canonical: str) -> str:
    return canonical.partition("|")[0]
