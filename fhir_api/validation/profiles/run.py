"""The state of checking one resource against profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_api.errors import Issue
from fhir_api.fhirpath import Node, references_within
from fhir_api.fhirpath.evaluation import Resolver
from fhir_api.validation.visit import MAX_ISSUES, Problem, TooManyIssues
from terminology.terminology import Terminology

if TYPE_CHECKING:
    from fhir_api.validation.profiles.registry import Profiles

MOST_CHECKS: Final = 500_000
"""Elements held against a rule or a discriminator in one validation; some microseconds each."""


@dataclass(slots=True)
class Budget:
    """Checks that are left."""

    left: int


class TooMuch(Exception):
    """The checks of one validation are spent."""


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
        self.budget: Budget = within.budget if within else Budget(MOST_CHECKS)
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
        self.budget.left -= 1
        if self.budget.left < 0:
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

    def contextual(self) -> dict[str, Any]:
        """What FHIRPath is told of where it stands."""
        return {"resource": self.resource, "root": self.root, "resolve": self.resolve}


def _is_resource(node: Node) -> bool:
    return isinstance(node.value, dict) and "resourceType" in node.value
