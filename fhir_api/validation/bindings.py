"""Bindings: codes that must or should come from a ValueSet (https://hl7.org/fhir/R4/terminologies.html#strength)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from fhir_api.definitions.code_sets import CodeSet, code_set
from fhir_api.validation.coded import is_inside
from fhir_api.validation.primitives import CHECKS, PrimitiveCheck
from fhir_api.validation.visit import Path, Problem, Visit
from terminology.grammars import is_mime_type

Rule: TypeAlias = Callable[[dict[str, Any], Path, Visit], None]

MIME_TYPES = "http://hl7.org/fhir/ValueSet/mimetypes"
_FORMAT_NAMES = frozenset({"json", "ttl", "xml"})
"""What CapabilityStatement.format allows beside MIME types (https://hl7.org/fhir/R4/capabilitystatement.html)."""
NOT_A_MIME_TYPE = Problem("code-invalid", "This is not a MIME type (type/subtype).")

MOST_LISTED = 30


@cache
def bound_code(type_: str, url: str) -> PrimitiveCheck:
    """The check of a code (or string, or uri) that must be in the ValueSet at ``url``."""
    basic = CHECKS[type_]
    allowed = code_set(url)
    if allowed.open is not None:
        return _mime_type if url == MIME_TYPES else basic
    codes = frozenset(code for listed in allowed.systems.values() for code in listed)
    outside = Problem("code-invalid", f"This must be {_named(url, allowed)}.")

    def check(value: Any) -> Problem | None:  # noqa: ANN401
        if type(value) is str and value in codes:
            return None
        return basic(value) or outside

    return check


def bound_concept(url: str) -> Rule | None:
    """The rule for a CodeableConcept that must be in the ValueSet at ``url``; None where R4 does not define that."""
    allowed = code_set(url)
    if allowed.open is not None and allowed.system is None:
        return None
    none_inside = Problem("code-invalid", f"One of the codings must be {_named(url, allowed)}.")
    codes = {system: frozenset(listed) for system, listed in allowed.systems.items()}

    def is_inside(coding: object) -> bool:
        if type(coding) is not dict:
            return False
        system, code = coding.get("system"), coding.get("code")
        if type(system) is not str or type(code) is not str:
            return False
        return system == allowed.system or code in codes.get(system, ())

    def check(value: dict[str, Any], path: Path, visit: Visit) -> None:
        codings = value.get("coding")
        if type(codings) is not list or not any(is_inside(coding) for coding in codings):
            visit.add(path, none_inside)

    return check


def bound_if_possible(type_: str, url: str) -> Rule:
    """The rule for a code that should be in the ValueSet at ``url``: a warning where it is not, for who asks for advice."""
    outside = Problem("code-invalid", f"A code of {url} should be here, unless none of them fits.")

    def check(value: dict[str, Any], path: Path, visit: Visit) -> None:
        if visit.advice and is_inside(type_, value, url, visit.terminology) is False:
            visit.add(path, outside, "warning")

    return check


def _mime_type(value: Any) -> Problem | None:  # noqa: ANN401
    problem = CHECKS["code"](value)
    if problem is None and not is_mime_type(value) and value not in _FORMAT_NAMES:
        return NOT_A_MIME_TYPE
    return problem


def _named(url: str, allowed: CodeSet) -> str:
    if allowed.open is not None:
        return f"of {allowed.system}"
    codes = [code for listed in allowed.systems.values() for code in listed]
    if len(codes) > MOST_LISTED:
        return f"a code of {url}"
    systems = ", ".join(allowed.systems)
    return f"one of {', '.join(codes)} (of {systems})"
