"""What one evaluation knows beside the element it starts at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from fhir_api.fhirpath.errors import TooCostly
from fhir_api.fhirpath.nodes import Node

DEFAULT_STEPS: Final = 1_000_000


class Resolver(Protocol):
    """Finds what a reference points at."""

    def __call__(self, reference: str, source: Node) -> Node | None:
        """The resource that ``reference``, found at ``source``, names; None where it is not within reach.

        ``source`` leads to the resource it stands in (``Node.parent``): ``#id`` means something in that one only.
        """


class Membership(Protocol):
    """Knows ValueSets."""

    def __call__(self, coded: Node, value_set: str) -> bool | None:
        """Whether a code, Coding or CodeableConcept is in the ValueSet; None where that is not known."""


class Evaluation:
    """The state of one evaluation. ``steps`` is what is left of its budget."""

    __slots__ = (
        "context",
        "index",
        "keys",
        "member_of",
        "memory",
        "now",
        "resolve",
        "resource",
        "root",
        "steps",
        "total",
        "variables",
    )

    def __init__(
        self,
        context: Node,
        resource: Node,
        root: Node,
        *,
        steps: int = DEFAULT_STEPS,
        resolve: Resolver | None = None,
        member_of: Membership | None = None,
        variables: Mapping[str, Sequence[Node]] | None = None,
    ) -> None:
        self.context = context
        self.resource = resource
        self.root = root
        self.steps = steps
        self.resolve = resolve
        self.member_of = member_of
        self.variables = variables or {}
        self.memory: dict[object, list[Node]] = {}
        """What does not change in this evaluation, once it has been worked out."""
        self.keys: dict[int, tuple[list[Node], frozenset[object]]] = {}
        """Identity of a long collection → itself and the keys of its nodes: it is asked for them again and again."""
        self.index = 0
        self.total: list[Node] = []
        self.now: datetime | None = None

    def spend(self, steps: int) -> None:
        """Take from the budget. Raises TooCostly where it does not suffice."""
        self.steps -= steps
        if self.steps < 0:
            raise TooCostly("The expression needs more steps than it was given.")


Run: TypeAlias = Callable[[list[Node], Evaluation], list[Node]]
"""A compiled expression: ``$this`` in, a collection out."""
Test: TypeAlias = Callable[[list[Node], Evaluation], bool | None]
"""A compiled condition; None is FHIRPath's empty."""
Apply: TypeAlias = Callable[[list[Node], list[Node], Evaluation, tuple[Run, ...]], list[Node]]
"""A function: what it is applied to, ``$this``, the evaluation, its arguments not yet evaluated."""
Judge: TypeAlias = Callable[[list[Node], list[Node], Evaluation, tuple[Run, ...]], bool | None]
"""A function whose result is a condition."""
