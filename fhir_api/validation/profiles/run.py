"""The state of checking one resource against profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_api.errors import Issue
from fhir_api.fhirpath import EvaluationError, Expression, Node, TooCostly, references_within
from fhir_api.fhirpath.evaluation import Evaluation, Resolver
from fhir_api.validation.coded import is_inside
from fhir_api.validation.visit import MAX_ISSUES, Problem, TooManyIssues
from terminology.terminology import Terminology

if TYPE_CHECKING:
    from fhir_api.validation.profiles.registry import Profiles

MOST_CHECKS: Final = 200_000
"""Elements held against a rule or a discriminator in one validation; some microseconds each."""
MOST_STEPS: Final = 1_000_000
"""Of the constraints of one validation; about a microsecond each."""
STEPS_OF_A_PATH: Final = 2_000
"""Of one discriminator at one element."""


@dataclass(slots=True)
class Budget:
    """What is left for one validation."""

    checks: int = MOST_CHECKS
    steps: int = MOST_STEPS


class TooMuch(Exception):
    """The checks, or the steps, of one validation are spent."""


class Run:
    """One resource, or entry of a Bundle, under its profiles. ``root``: the node that is validated as a whole."""

    __slots__ = (
        "_seen",
        "advice",
        "asked",
        "budget",
        "issues",
        "profiles",
        "resolve",
        "resource",
        "root",
    )

    def __init__(
        self,
        profiles: Profiles,
        root: Node,
        *,
        advice: bool = False,
        issues: list[Issue] | None = None,
        within: Run | None = None,
    ) -> None:
        """``issues``: the list to add to. ``within``: the run that this one only asks for; they share a budget."""
        self.profiles = profiles
        self.root = root
        self.resource = root
        self.resolve: Resolver = within.resolve if within else references_within(root)
        self.advice = advice
        """Whether warnings and notes are wanted too."""
        self.issues: list[Issue] = [] if issues is None else issues
        self.budget: Budget = within.budget if within else Budget()
        self._seen: set[tuple[str, str]] = set()
        self.asked: set[tuple[int, str]] = within.asked if within else set()
        """Values and the profiles that they are being held against."""

    @property
    def terminology(self) -> Terminology:
        return self.profiles.terminology

    def add(self, place: Node | str, problem: Problem, severity: str = "error") -> None:
        """Keep an issue, once. Raises TooManyIssues where the list is full."""
        location = place if isinstance(place, str) else place.location
        if (location, problem.text) in self._seen:
            return
        self._seen.add((location, problem.text))
        if len(self.issues) >= MAX_ISSUES:
            raise TooManyIssues
        self.issues.append(Issue(severity, problem.code, problem.text, location))

    def spend(self) -> None:
        """Count one check. Raises TooMuch where there were too many."""
        self.budget.checks -= 1
        if self.budget.checks < 0:
            raise TooMuch

    def enter(self, node: Node) -> None:
        """From now on constraints see ``node`` and the resource that it stands in (``%resource``, ``%rootResource``)."""
        around: Node | None = node
        while around is not None and not _is_resource(around):
            around = around.parent
        if around is not None:
            self.resource = around
            is_contained = around.name == "contained" and around.parent is not None
            self.root = around.parent if is_contained and around.parent else around

    def holds(self, expression: Expression, node: Node) -> bool:
        """Whether a constraint is true at the node. All of one validation share its steps.

        Raises:
            EvaluationError: it does not fit the elements there.
            TooMuch: the steps are spent.
        """
        evaluation = Evaluation(
            node,
            self.resource,
            self.root,
            steps=self.budget.steps,
            resolve=self.resolve,
            member_of=self._member_of,
        )
        try:
            return expression.within(evaluation) is True
        except TooCostly as exc:
            raise TooMuch from exc
        finally:
            self.budget.steps = evaluation.steps

    def selected(self, expression: Expression, node: Node) -> Sequence[Node]:
        """What a path leads to from the node; nothing where it does not fit, or leads to too much."""
        try:
            return expression.evaluate(
                node,
                resource=self.resource,
                root=self.root,
                resolve=self.resolve,
                member_of=self._member_of,
                steps=STEPS_OF_A_PATH,
            )
        except (EvaluationError, TooCostly):
            return ()

    def _member_of(self, coded: Node, value_set: str) -> bool | None:
        return is_inside(coded.type, coded.value, value_set, self.terminology)


def _is_resource(node: Node) -> bool:
    return isinstance(node.value, dict) and "resourceType" in node.value
