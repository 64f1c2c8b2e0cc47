"""Bindings of profiles (https://hl7.org/fhir/R4/terminologies.html#strength)."""

from __future__ import annotations

from fhir_api.fhirpath import Node
from fhir_api.validation.coded import is_inside
from fhir_api.validation.profiles.rules import Check, Test
from fhir_api.validation.profiles.run import Run
from fhir_api.validation.visit import Problem


def required(value_set: str, by: str) -> Test:
    """The element must have a code of the value set, as far as that can be told."""
    missing = Problem("code-invalid", f"A code of {value_set} must be here{by}.")

    def test(node: Node, run: Run) -> Problem | None:
        inside = is_inside(node.type, node.value, value_set, run.terminology)
        return missing if inside is False else None

    return test


def extensible(value_set: str, by: str) -> Check:
    """The element should have a code of the value set: a warning."""
    missing = Problem(
        "code-invalid", f"A code of {value_set} should be here, unless none of them fits{by}."
    )

    def check(node: Node, run: Run) -> None:
        if run.advice and is_inside(node.type, node.value, value_set, run.terminology) is False:
            run.add(node, missing, "warning")

    return check
