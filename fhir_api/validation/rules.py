"""Invariants that hold wherever a type is used, written out: they are on every element's path.

Those of single resources (obs-6 and its like) are FHIRPath in the definitions and are not checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_api.validation.shapes import Rule
from fhir_api.validation.visit import Path, Problem, Visit

NEITHER = Problem("invariant", "An extension must have either a value or extensions (ext-1).")
BOTH = Problem("invariant", "An extension must not have both a value and extensions (ext-1).")
RELATIVE_URL = Problem(
    "value", "The url of an extension must be absolute, except inside another extension."
)
NO_COMPARATOR = Problem("structure", "This quantity must not have a comparator (SimpleQuantity).")


def extension(value: dict[str, Any], path: Path, visit: Visit) -> None:
    """ext-1, and the absolute url of https://hl7.org/fhir/R4/extensibility.html#Extension."""
    has_value = any(name.startswith(("value", "_value")) for name in value)
    if "extension" in value:
        if has_value:
            visit.add(path, BOTH)
    elif not has_value:
        visit.add(path, NEITHER)
    url = value.get("url")
    if type(url) is str and url and ":" not in url:
        parent = path[0]
        if parent is None or not _is_extension(parent):
            visit.add((path, "url", None), RELATIVE_URL)


def simple_quantity(value: dict[str, Any], path: Path, visit: Visit) -> None:
    """sqty-1 of https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity."""
    if "comparator" in value:
        visit.add((path, "comparator", None), NO_COMPARATOR)


TYPE_RULES: Mapping[str, Rule] = {"Extension": extension}
"""Type → the rule that every instance of it must meet."""


def _is_extension(path: Path) -> bool:
    return path[1] in ("extension", "modifierExtension")
