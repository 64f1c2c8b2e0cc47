"""Compiled rules held against elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_api.fhirpath import Node
from fhir_api.fhirpath.nodes import children_named
from fhir_api.validation.profiles.rules import ElementRule, ItemRule, Slice, Slicing
from fhir_api.validation.profiles.run import Run
from fhir_api.validation.visit import Problem, TooManyIssues

if TYPE_CHECKING:
    from fhir_api.validation.profiles.registry import Profile


def check_item(rule: ItemRule, node: Node, run: Run) -> None:
    """Everything that is wrong with one instance of an element."""
    run.spend()
    for test in rule.tests:
        problem = test(node, run)
        if problem is not None:
            run.add(node, problem)
    for check in rule.checks:
        check(node, run)
    for child in rule.children:
        check_element(child, node, run)


def conforms(node: Node, profile: Profile, run: Run) -> bool:
    """Whether the node meets a profile; adds no issue. A question that is being asked already counts as answered yes."""
    if profile.type != node.type and profile.type not in ("Resource", "DomainResource"):
        return False
    question = (id(node.value), profile.url)
    if question in run.asked or profile.rule is None:
        return True
    quiet = Run(run.profiles, run.root, within=run)
    quiet.enter(node)
    run.asked.add(question)
    try:
        check_item(profile.rule, node, quiet)
    except TooManyIssues:
        return False
    finally:
        run.asked.discard(question)
    return not any(issue.is_error for issue in quiet.issues)


def check_element(rule: ElementRule, parent: Node, run: Run) -> None:
    """Everything that is wrong with an element of ``parent``, or that it is not there."""
    items = children_named(parent, rule.name)
    count = len(items)
    if count < rule.min or (rule.max is not None and count > rule.max):
        _wrong_count(rule, parent, count, run)
    for item in items:
        check_item(rule.item, item, run)
    if rule.slicing is not None:
        _check_slices(rule.slicing, items, f"{parent.location}.{rule.name}", run)


def _wrong_count(rule: ElementRule, parent: Node, count: int, run: Run) -> None:
    place = f"{parent.location}.{rule.name}"
    if count < rule.min:
        run.add(
            place,
            Problem("required", f"{_times(rule.min)} of {rule.name} must be here{rule.profile}."),
        )
    elif rule.max == 0:
        run.add(place, Problem("structure", f"{rule.name} must not be here{rule.profile}."))
    else:
        run.add(
            place,
            Problem("structure", f"At most {rule.max} of {rule.name} may be here{rule.profile}."),
        )


def _times(count: int) -> str:
    return "One" if count == 1 else f"At least {count}"


def _check_slices(slicing: Slicing, items: list[Node], place: str, run: Run) -> None:
    found: dict[str, list[Node]] = {slice_.name: [] for slice_ in slicing.slices}
    rest: list[Node] = []
    order = {slice_.name: at for at, slice_ in enumerate(slicing.slices)}
    last = 0
    for item in items:
        slice_ = next((s for s in slicing.slices if _belongs(s, item, run)), None)
        if slice_ is None:
            rest.append(item)
            continue
        if slicing.rules == "openAtEnd" and rest:
            _wrong(
                slicing, rest[-1], "This is in no slice, so it must stand after those that are", run
            )
        if slicing.ordered and order[slice_.name] < last:
            _wrong(slicing, item, f"The slice {slice_.name} must stand before the others", run)
        last = max(last, order[slice_.name])
        found[slice_.name].append(item)
    for slice_ in slicing.slices:
        if slice_.is_default:
            found[slice_.name], rest = rest, []
        _check_slice(slicing, slice_, found[slice_.name], place, run)
    if slicing.rules == "closed":
        names = ", ".join(slice_.name for slice_ in slicing.slices)
        for item in rest:
            _wrong(slicing, item, f"This is in none of the slices that may be here: {names}", run)


def _check_slice(slicing: Slicing, slice_: Slice, items: list[Node], place: str, run: Run) -> None:
    if len(items) < slice_.min:
        text = f"{_times(slice_.min)} of the slice {slice_.name} must be here{slicing.profile}."
        run.add(place, Problem("required", text))
    if slice_.max is not None and len(items) > slice_.max:
        text = f"At most {slice_.max} of the slice {slice_.name} may be here{slicing.profile}."
        run.add(place, Problem("structure", text))
    for item in items:
        check_item(slice_.item, item, run)
    if slice_.slicing is not None:
        _check_slices(slice_.slicing, items, place, run)


def _wrong(slicing: Slicing, item: Node, text: str, run: Run) -> None:
    run.add(item, Problem("structure", f"{text}{slicing.profile}."))


def _belongs(slice_: Slice, item: Node, run: Run) -> bool:
    run.spend()
    return bool(slice_.criteria) and all(criterion(item, run) for criterion in slice_.criteria)


def is_like(rule: ItemRule, node: Node, run: Run) -> bool:
    """Whether an element has the values by which ``rule`` knows its own."""
    run.spend()
    if any(test(node, run) is not None for test in rule.tests):
        return False
    return all(_has_like(child, node, run) for child in rule.children)


def _has_like(rule: ElementRule, parent: Node, run: Run) -> bool:
    items = children_named(parent, rule.name)
    if len(items) < rule.min:
        return False
    if rule.item.identifies and not any(is_like(rule.item, item, run) for item in items):
        return False
    slices = rule.slicing.slices if rule.slicing else ()
    return all(
        any(is_like(slice_.item, item, run) for item in items)
        for slice_ in slices
        if slice_.min and slice_.item.identifies
    )
