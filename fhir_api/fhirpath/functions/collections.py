"""Existence, filtering, subsetting, combining, navigation (https://hl7.org/fhirpath/N1/#existence)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fhir_api.fhirpath.errors import EvaluationError
from fhir_api.fhirpath.evaluation import Evaluation, Run
from fhir_api.fhirpath.functions.signature import Condition, Function, integer
from fhir_api.fhirpath.nodes import Node, type_information
from fhir_api.fhirpath.nodes import children as children_of
from fhir_api.fhirpath.values import calculated, identity, singleton, truth_of

STEPS_A_KEY: Final = 3
"""A key is made of the whole element."""
LONG: Final = 8

Nodes = list[Node]
Arguments = tuple[Run, ...]


def _empty(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> bool:
    return not nodes


def _exists(nodes: Nodes, _this: Nodes, evaluation: Evaluation, arguments: Arguments) -> bool:
    return bool(_where(nodes, _this, evaluation, arguments) if arguments else nodes)


def _not(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> bool | None:
    truth = truth_of(nodes)
    return None if truth is None else not truth


def _all(nodes: Nodes, _this: Nodes, evaluation: Evaluation, arguments: Arguments) -> bool:
    return len(_where(nodes, _this, evaluation, arguments)) == len(nodes)


def _booleans(nodes: Nodes) -> Iterable[bool]:
    for node in nodes:
        if type(node.value) is not bool:
            raise EvaluationError("Only true and false were expected here.")
        yield node.value


def _all_true(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> bool:
    return all(_booleans(nodes))


def _any_true(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> bool:
    return any(_booleans(nodes))


def _all_false(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> bool:
    return not any(_booleans(nodes))


def _any_false(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> bool:
    return not all(_booleans(nodes))


def _subset_of(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> bool:
    return keys_of(nodes, evaluation) <= keys_of(arguments[0](this, evaluation), evaluation)


def _superset_of(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> bool:
    return keys_of(nodes, evaluation) >= keys_of(arguments[0](this, evaluation), evaluation)


def _is_distinct(nodes: Nodes, _this: Nodes, evaluation: Evaluation, _arguments: Arguments) -> bool:
    return len(keys_of(nodes, evaluation)) == len(nodes)


def keys_of(nodes: Nodes, evaluation: Evaluation) -> frozenset[object]:
    """The keys of the nodes; of a long collection, worked out once."""
    known = evaluation.keys.get(id(nodes))
    if known is not None:
        evaluation.spend(1)
        return known[1]
    evaluation.spend(len(nodes) * STEPS_A_KEY)
    keys = frozenset(identity(node) for node in nodes)
    if len(nodes) >= LONG:
        evaluation.keys[id(nodes)] = nodes, keys
    return keys


def _count(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    return [calculated(len(nodes))]


def distinct(nodes: Nodes, evaluation: Evaluation) -> Nodes:
    """Each value once, in order."""
    evaluation.spend(len(nodes) * STEPS_A_KEY)
    found: dict[object, Node] = {}
    for node in nodes:
        found.setdefault(identity(node), node)
    return list(found.values())


def _distinct(nodes: Nodes, _this: Nodes, evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    return distinct(nodes, evaluation)


def _where(nodes: Nodes, _this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    (criterion,) = arguments
    outer = evaluation.index
    evaluation.spend(len(nodes))
    found = []
    for index, node in enumerate(nodes):
        evaluation.index = index
        if truth_of(criterion([node], evaluation)):
            found.append(node)
    evaluation.index = outer
    return found


def _select(nodes: Nodes, _this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    (projection,) = arguments
    outer = evaluation.index
    evaluation.spend(len(nodes))
    found: Nodes = []
    for index, node in enumerate(nodes):
        evaluation.index = index
        found += projection([node], evaluation)
    evaluation.index = outer
    return found


def _repeat(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    found: dict[object, Node] = {}
    level = nodes
    while level:
        fresh = []
        for node in _select(level, this, evaluation, arguments):
            key = identity(node)
            if key not in found:
                found[key] = node
                fresh.append(node)
        level = fresh
    return list(found.values())


def _aggregate(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    outer_index, outer_total = evaluation.index, evaluation.total
    evaluation.spend(len(nodes))
    evaluation.total = arguments[1](this, evaluation) if len(arguments) > 1 else []
    for index, node in enumerate(nodes):
        evaluation.index = index
        evaluation.total = arguments[0]([node], evaluation)
    total, evaluation.index, evaluation.total = evaluation.total, outer_index, outer_total
    return total


def _iif(nodes: Nodes, _this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    if truth_of(arguments[0](nodes, evaluation)):
        return arguments[1](nodes, evaluation)
    return arguments[2](nodes, evaluation) if len(arguments) > 2 else []


def _single(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    singleton(nodes)
    return nodes


def _first(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    return nodes[:1]


def _last(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    return nodes[-1:]


def _tail(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    return nodes[1:]


def _skip(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    count = integer(arguments[0], this, evaluation)
    return [] if count is None else nodes[max(count, 0) :]


def _take(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    count = integer(arguments[0], this, evaluation)
    return [] if count is None else nodes[: max(count, 0)]


def _intersect(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    other = keys_of(arguments[0](this, evaluation), evaluation)
    return [node for node in distinct(nodes, evaluation) if identity(node) in other]


def _exclude(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    other = keys_of(arguments[0](this, evaluation), evaluation)
    evaluation.spend(len(nodes) * STEPS_A_KEY)
    return [node for node in nodes if identity(node) not in other]


def _union(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    return distinct([*nodes, *arguments[0](this, evaluation)], evaluation)


def _combine(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    found = [*nodes, *arguments[0](this, evaluation)]
    evaluation.spend(len(found))
    return found


def _children(nodes: Nodes, _this: Nodes, evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    found = [child for node in nodes for child in children_of(node)]
    evaluation.spend(len(found) + len(nodes))
    return found


def _descendants(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    found: Nodes = []
    level = nodes
    while level:
        level = _children(level, this, evaluation, arguments)
        found += level
    return found


def _trace(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    """The trace itself goes nowhere: it would show values of a resource."""
    return nodes


def _type(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    return [type_information(node) for node in nodes]


FUNCTIONS: Final = {
    "aggregate": Function(_aggregate, 1, 2),
    "children": Function(_children),
    "combine": Function(_combine, 1, 1),
    "count": Function(_count),
    "descendants": Function(_descendants),
    "distinct": Function(_distinct),
    "exclude": Function(_exclude, 1, 1),
    "first": Function(_first),
    "iif": Function(_iif, 2, 3),
    "intersect": Function(_intersect, 1, 1),
    "last": Function(_last),
    "repeat": Function(_repeat, 1, 1),
    "select": Function(_select, 1, 1),
    "single": Function(_single),
    "skip": Function(_skip, 1, 1),
    "tail": Function(_tail),
    "take": Function(_take, 1, 1),
    "type": Function(_type),
    "trace": Function(_trace, 1, 2),
    "union": Function(_union, 1, 1),
    "where": Function(_where, 1, 1),
}
CONDITIONS: Final = {
    "all": Condition(_all, 1, 1),
    "allFalse": Condition(_all_false),
    "allTrue": Condition(_all_true),
    "anyFalse": Condition(_any_false),
    "anyTrue": Condition(_any_true),
    "empty": Condition(_empty),
    "exists": Condition(_exists, 0, 1),
    "isDistinct": Condition(_is_distinct),
    "not": Condition(_not),
    "subsetOf": Condition(_subset_of, 1, 1),
    "supersetOf": Condition(_superset_of, 1, 1),
}
