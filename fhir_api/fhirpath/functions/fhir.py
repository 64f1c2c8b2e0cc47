"""What FHIR adds to FHIRPath (https://hl7.org/fhir/R4/fhirpath.html#functions)."""

from __future__ import annotations

from typing import Final

from fhir_api.fhirpath.errors import EvaluationError
from fhir_api.fhirpath.evaluation import Evaluation, Run
from fhir_api.fhirpath.functions.signature import Condition, Function, text_argument
from fhir_api.fhirpath.nodes import Node, children_named
from fhir_api.fhirpath.values import calculated, value_of

Nodes = list[Node]
Arguments = tuple[Run, ...]


def _extension(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    url = text_argument(arguments[0], this, evaluation)
    found = [child for node in nodes for child in children_named(node, "extension")]
    evaluation.spend(len(nodes) + len(found))
    return [e for e in found if type(e.value) is dict and e.value.get("url") == url]


def _has_value(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> bool:
    if len(nodes) != 1:
        return False
    value = nodes[0].value
    return value is not None and type(value) is not dict


def _get_value(nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    value = value_of(nodes[0]) if len(nodes) == 1 else None
    return [] if value is None else [calculated(value)]


def _resolve(nodes: Nodes, _this: Nodes, evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    evaluation.spend(len(nodes))
    if evaluation.resolve is None:
        return []
    found = []
    for node in nodes:
        literal = node.value.get("reference") if type(node.value) is dict else node.value
        target = evaluation.resolve(literal, node) if type(literal) is str else None
        if target is not None:
            found.append(target)
    return found


def _member_of(
    nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments
) -> bool | None:
    if len(nodes) > 1:
        raise EvaluationError("One element was expected, and there are several.")
    url = text_argument(arguments[0], this, evaluation)
    if not nodes or url is None or evaluation.member_of is None:
        return None
    return evaluation.member_of(nodes[0], url)


def _html_checks(
    nodes: Nodes, _this: Nodes, _evaluation: Evaluation, _arguments: Arguments
) -> bool:
    from fhir_api.validation.xhtml import xhtml  # validation is built on this package

    return all(xhtml(node.value) is None for node in nodes)


FUNCTIONS: Final = {
    "extension": Function(_extension, 1, 1),
    "getValue": Function(_get_value),
    "resolve": Function(_resolve),
}
CONDITIONS: Final = {
    "hasValue": Condition(_has_value),
    "htmlChecks": Condition(_html_checks),
    "htmlChecks2": Condition(_html_checks),
    "memberOf": Condition(_member_of, 1, 1),
}
