"""The compiled expression."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final

from fhir_api.fhirpath.compiler import Compiler
from fhir_api.fhirpath.evaluation import (
    DEFAULT_STEPS,
    Evaluation,
    Membership,
    Resolver,
    Run,
    Test,
)
from fhir_api.fhirpath.nodes import Node
from fhir_api.fhirpath.parser import parse
from fhir_api.fhirpath.syntax import Syntax

REMEMBERED: Final = 4096


class Expression:
    """A compiled expression. Safe to share between threads: each evaluation has a state of its own."""

    __slots__ = ("_condition", "_run", "syntax", "text")

    def __init__(self, text: str, syntax: Syntax, run: Run, condition: Test) -> None:
        self.text = text
        self.syntax = syntax
        self._run = run
        self._condition = condition

    def evaluate(
        self,
        node: Node,
        *,
        resource: Node | None = None,
        root: Node | None = None,
        resolve: Resolver | None = None,
        member_of: Membership | None = None,
        variables: Mapping[str, Sequence[Node]] | None = None,
        steps: int = DEFAULT_STEPS,
    ) -> list[Node]:
        """The collection that the expression gives at ``node``; see the package for the arguments.

        Raises:
            EvaluationError: it does not fit the elements there.
            TooCostly: it needs more than ``steps``.
        """
        resource = resource or _top(node)
        evaluation = Evaluation(
            node,
            resource,
            root or resource,
            steps=steps,
            resolve=resolve,
            member_of=member_of,
            variables=variables,
        )
        return self._run([node], evaluation)

    def holds(
        self,
        node: Node,
        *,
        resource: Node | None = None,
        root: Node | None = None,
        resolve: Resolver | None = None,
        member_of: Membership | None = None,
        variables: Mapping[str, Sequence[Node]] | None = None,
        steps: int = DEFAULT_STEPS,
    ) -> bool:
        """Whether the expression is true at ``node``; empty is not. Arguments and errors are those of ``evaluate``."""
        resource = resource or _top(node)
        evaluation = Evaluation(
            node,
            resource,
            root or resource,
            steps=steps,
            resolve=resolve,
            member_of=member_of,
            variables=variables,
        )
        return self.within(evaluation) is True

    def within(self, evaluation: Evaluation) -> bool | None:
        """The condition at ``evaluation.context``; None: empty. For many conditions that share one budget."""
        return self._condition([evaluation.context], evaluation)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def _top(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node


def compile_expression(text: str, *, variables: Collection[str] = ()) -> Expression:
    """The expression that ``text`` says.

    Raises:
        ExpressionError: it says none, or asks for a function, type or constant that is not here.
    """
    return _compiled(text, frozenset(variables))


@lru_cache(maxsize=REMEMBERED)
def _compiled(text: str, variables: frozenset[str]) -> Expression:
    syntax = parse(text)
    compiler = Compiler(text, variables)
    return Expression(text, syntax, compiler.collection(syntax), compiler.condition(syntax))
