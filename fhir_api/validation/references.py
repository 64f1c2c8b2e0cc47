"""What a Reference may point at (https://hl7.org/fhir/R4/references.html#literal)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.validation.visit import Path, Problem, Visit

ANY: Final = "Resource"
STRUCTURE_DEFINITION: Final = "http://hl7.org/fhir/StructureDefinition/"

_TYPE_ID = r"([A-Z][A-Za-z]{1,40})/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
_RELATIVE = re.compile(_TYPE_ID)
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]{1,40})\?\S+")
_ABSOLUTE = re.compile(rf"https?://\S+?/{_TYPE_ID}")
_OTHER_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")

NOT_A_REFERENCE = Problem(
    "value", "This is no reference: it must be relative (Type/id), absolute, or internal (#id)."
)
NO_SUCH_TYPE = Problem("value", "The reference names a resource type that R4 does not have.")
NOT_CONTAINED = Problem("invariant", "No contained resource has this id (ref-1).")
CONDITIONAL = Problem("value", "A reference by search is for the entries of a transaction only.")
TWO_TYPES = Problem("invariant", "The reference points at another type than its type element says.")


class ReferenceRule:
    """The check of one Reference element: its target is one of ``targets``."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        self._targets = frozenset() if ANY in targets else frozenset(targets)
        self._mismatch = Problem("value", f"The reference must point at {_listed(targets)}.")

    def __call__(self, value: dict[str, Any], path: Path, visit: Visit) -> None:
        literal = value.get("reference")
        found = None
        if type(literal) is str and literal:
            found = self._literal(literal, (path, "reference", None), visit)
        declared = value.get("type")
        if type(declared) is str and declared:
            self._declared(declared, found, (path, "type", None), visit)

    def _literal(self, literal: str, path: Path, visit: Visit) -> str | None:
        """The type that the reference's text shows, once it is found fit."""
        if literal.startswith("#"):
            visit.scope.mention(literal)
            contained = visit.scope.contained
            type_ = visit.scope.root.type if literal == "#" else contained.get(literal[1:])
            if type_ is None:
                visit.add(path, NOT_CONTAINED)
        else:
            type_, problem = read(literal)
            if problem is CONDITIONAL and visit.surroundings.takes_conditional_references:
                problem = None
            if problem is not None:
                visit.add(path, problem)
                return None
        if type_ is not None and self._targets and type_ not in self._targets:
            visit.add(path, self._mismatch)
        return type_

    def _declared(self, declared: str, found: str | None, path: Path, visit: Visit) -> None:
        type_ = declared.removeprefix(STRUCTURE_DEFINITION)
        if type_ not in RESOURCE_TYPES:
            if ":" not in type_:  # an absolute URL names a logical model
                visit.add(path, NO_SUCH_TYPE)
        elif found is not None and type_ != found:
            visit.add(path, TWO_TYPES)
        elif found is None and self._targets and type_ not in self._targets:
            visit.add(path, self._mismatch)


LONGEST_REMEMBERED: Final = 512


def read(literal: str) -> tuple[str | None, Problem | None]:
    """The resource type that a literal reference shows (None: it does not), and what is wrong with it."""
    # A client chooses how long a reference is, so only short ones may stay in memory.
    judge = _judge if len(literal) <= LONGEST_REMEMBERED else _judge.__wrapped__
    return judge(literal)


@lru_cache(maxsize=4096)
def _judge(literal: str) -> tuple[str | None, Problem | None]:
    match = _RELATIVE.fullmatch(literal)
    if match is not None:
        return (match[1], None) if match[1] in RESOURCE_TYPES else (None, NO_SUCH_TYPE)
    match = _CONDITIONAL.fullmatch(literal)
    if match is not None:
        return (match[1], CONDITIONAL) if match[1] in RESOURCE_TYPES else (None, NO_SUCH_TYPE)
    match = _ABSOLUTE.fullmatch(literal)
    if match is not None and match[1] in RESOURCE_TYPES:
        return match[1], None
    return None, None if _OTHER_ABSOLUTE.fullmatch(literal) else NOT_A_REFERENCE


def _listed(types: tuple[str, ...]) -> str:
    if len(types) == 1:
        return f"a resource of type {types[0]}"
    return f"a resource of type {', '.join(types[:-1])} or {types[-1]}"
