"""The validator: a resource in, everything that is wrong with its structure out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_api.conformance.library import Library
from fhir_api.definitions.elements import TYPES
from fhir_api.errors import Issue
from fhir_api.fhirpath import resource_node
from fhir_api.validation.compiler import Shapes
from fhir_api.validation.profiles.claims import check_claims
from fhir_api.validation.profiles.registry import Profiles
from fhir_api.validation.profiles.run import Run
from fhir_api.validation.resources import check_resource, resource_type
from fhir_api.validation.visit import MAX_ISSUES, Path, Problem, TooManyIssues, Visit

NO_NARRATIVE = Problem(
    "invariant", "A resource should have a narrative, for readers that know no more of it (dom-6)."
)


class Validator:
    """Checks resources against the definitions of their types, and against profiles. Safe to share between threads."""

    def __init__(self, *, unknown_profiles_are_errors: bool = False) -> None:
        self._shapes = Shapes()
        self._unknown_profile = "error" if unknown_profiles_are_errors else "warning"
        self.profiles = Profiles(Library().find)

    def use(self, profiles: Profiles) -> None:
        """From the next validation on, these profiles and value sets are what is known."""
        self.profiles = profiles

    def validate(
        self,
        resource: dict[str, Any],
        type: str,
        *,
        advice: bool = False,
        profiles: Sequence[str] = (),
    ) -> list[Issue]:
        """Everything that is wrong with ``resource``, which is meant to be a ``type`` and to meet ``profiles``.

        Issues have the severity error, except for the advice of dom-6 (warning) and the note that a long list was cut
        (information). With ``advice`` come the warnings and notes of bindings, profiles and extensions too. Texts never
        repeat a value. A valid resource with a narrative has none.
        """
        known = self.profiles
        visit = Visit(known.terminology, advice=advice)
        root: Path = (None, type, None)
        try:
            self._check(resource, type, root, visit)
            claims = visit.claims
            if profiles or claims.profiles or claims.extensions:
                run = Run(known, resource_node(resource), advice=advice, issues=visit.issues)
                check_claims(claims, profiles, run, self._unknown_profile)
        except TooManyIssues:
            cut = f"Only the first {MAX_ISSUES} problems are listed."
            return [*visit.issues, Issue("information", "too-costly", cut, type)]
        if TYPES[type].base == "DomainResource" and "text" not in resource:
            visit.issues.append(Issue("warning", NO_NARRATIVE.code, NO_NARRATIVE.text, type))
        if advice and type == "StructureDefinition" and not visit.has_errors:
            visit.issues += known.notes(resource)
        return visit.issues

    def _check(self, resource: dict[str, Any], type_: str, root: Path, visit: Visit) -> None:
        found = resource_type(resource, root, visit)
        if found is None:
            return
        if found != type_:
            problem = Problem("value", f"This must be a {type_}, not a {found}.")
            visit.add((root, "resourceType", None), problem)
            return
        check_resource(resource, self._shapes.of, root, visit)
