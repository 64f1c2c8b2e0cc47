"""The state of one validation: where it stands, what it found, and what the resource's own references can reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from fhir_api.errors import Issue
from fhir_api.fhirpath import Node, references_within
from fhir_api.fhirpath.evaluation import Resolver
from terminology.terminology import Terminology

MAX_ISSUES = 100
MAX_ADVICE = 50
"""Warnings beyond these are dropped, so that they leave room for errors."""
NOTHING = Node({}, "Resource")
STEPS_AN_OBJECT = 100
"""What each object adds to the budget for evaluating invariants; R4's own resources need 40 at most."""
MAX_DEPTH = 64
"""Objects inside each other. R4 needs about 20; Python's own stack allows some hundreds."""

Path: TypeAlias = "tuple[Path | None, str, int | None]"
"""An element: its parent, its name and, in an array, its place. Linked, because most are never shown."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a value, whatever its place: an issue type of R4 and a sentence without the value."""

    code: str
    text: str


class TooManyIssues(Exception):
    """The list of issues is full."""


@dataclass(slots=True)
class Scope:
    """A resource that may contain others: what ``#id`` can mean inside it."""

    root: Node
    contained: dict[str, str] = field(default_factory=dict)
    """Id → type of each contained resource."""
    mentioned: set[str] = field(default_factory=set)
    """Every ``#id`` that is referred to."""
    inside: int | None = None
    """Index of the contained resource that is being visited."""
    refers_back: set[int] = field(default_factory=set)
    """Indices of those contained resources that refer to the resource around them ('#')."""

    def mention(self, fragment: str) -> None:
        self.mentioned.add(fragment)
        if fragment == "#" and self.inside is not None:
            self.refers_back.add(self.inside)


@dataclass(slots=True)
class Claims:
    """What is to be held against profiles, once R4's own types have had their say."""

    profiles: list[tuple[Path, object]] = field(default_factory=list)
    """Resources and their ``meta.profile``."""
    extensions: list[tuple[Path, str]] = field(default_factory=list)
    """Extensions and their absolute urls."""


class Surroundings:
    """The innermost Bundle around what is visited, where there is one: what references can reach."""

    __slots__ = ("_resolver", "bundle")

    def __init__(self, bundle: Node | None = None) -> None:
        self.bundle = bundle
        self._resolver: Resolver | None = None

    @property
    def takes_conditional_references(self) -> bool:
        """Whether a reference may be a search: in a transaction or batch only."""
        bundle = self.bundle
        return bundle is not None and bundle.value.get("type") in ("transaction", "batch")

    def resolve(self, reference: str, source: Node) -> Node | None:
        """What ``resolve()`` finds: contained resources and entries of the Bundle. They are gone through once."""
        if self._resolver is None:
            self._resolver = references_within(self.bundle)
        return self._resolver(reference, source)


class Visit:
    """What the checks of one validation share."""

    __slots__ = (
        "advice",
        "claims",
        "depth",
        "issues",
        "resource",
        "scope",
        "steps",
        "surroundings",
        "terminology",
    )

    def __init__(self, terminology: Terminology, *, advice: bool = False) -> None:
        self.terminology = terminology
        self.advice = advice
        """Whether warnings that cost time are wanted too."""
        self.claims = Claims()
        self.issues: list[Issue] = []
        self.depth = 0
        self.resource = NOTHING
        """The resource that is being visited: a contained one, or the root of the scope."""
        self.scope = Scope(NOTHING)
        self.surroundings = Surroundings()
        self.steps = 0
        """What is left for evaluating invariants; below zero: they are no longer evaluated."""

    @property
    def has_errors(self) -> bool:
        return any(issue.is_error for issue in self.issues)

    def add(self, path: Path, problem: Problem, severity: str = "error") -> None:
        """Keep an issue. Raises TooManyIssues where the list is full."""
        if severity != "error" and len(self.issues) >= MAX_ADVICE:
            return
        if len(self.issues) >= MAX_ISSUES:
            raise TooManyIssues
        self.issues.append(Issue(severity, problem.code, problem.text, expression(path)))


def expression(path: Path) -> str:
    """The path as FHIRPath: ``Observation.component[1].valueQuantity``."""
    parts: list[str] = []
    step: Path | None = path
    while step is not None:
        step, name, index = step
        parts.append(name if index is None else f"{name}[{index}]")
    return ".".join(reversed(parts))
