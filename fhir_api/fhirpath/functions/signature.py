"""How a function is declared, and how its arguments are read."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_api.fhirpath.errors import EvaluationError
from fhir_api.fhirpath.evaluation import Apply, Evaluation, Judge, Run
from fhir_api.fhirpath.nodes import Node
from fhir_api.fhirpath.values import Value, singleton, value_of


@dataclass(frozen=True, slots=True)
class Function:
    """``apply`` takes ``fewest`` to ``most`` arguments."""

    apply: Apply
    fewest: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """As ``Function``; its result is a condition."""

    judge: Judge
    fewest: int = 0
    most: int = 0


def value(nodes: list[Node]) -> Value | None:
    """The simple value of a single node; None where there is no node, or it has none."""
    node = singleton(nodes)
    return None if node is None else value_of(node)


def text(nodes: list[Node]) -> str | None:
    """The text of a single node. Raises EvaluationError where it has a value of another kind."""
    found = value(nodes)
    if isinstance(found, str) or (found is None and not (nodes and type(nodes[0].value) is dict)):
        return found
    raise EvaluationError("A text was expected here.")


def integer(run: Run, this: list[Node], evaluation: Evaluation) -> int | None:
    """An argument that is a whole number."""
    found = value(run(this, evaluation))
    if found is None or (isinstance(found, int) and not isinstance(found, bool)):
        return found
    raise EvaluationError("A whole number was expected here.")


def text_argument(run: Run, this: list[Node], evaluation: Evaluation) -> str | None:
    """An argument that is a text."""
    return text(run(this, evaluation))
