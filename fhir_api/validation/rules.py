"""Rules beyond an object's members, written out because they stand on data types that every resource is full of.

Each invariant of R4's definitions that is here replaces its FHIRPath expression, which says the same.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from hashlib import sha1
from typing import Final

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.definitions.invariants import Invariant
from fhir_api.fhirpath import Node
from fhir_api.fhirpath.errors import EvaluationError
from fhir_api.fhirpath.values import order
from fhir_api.validation.shapes import Json, Rule
from fhir_api.validation.visit import Path, Problem, Visit

NEITHER = Problem("invariant", "An extension must have either a value or extensions (ext-1).")
BOTH = Problem("invariant", "An extension must not have both a value and extensions (ext-1).")
RELATIVE_URL = Problem(
    "value", "The url of an extension must be absolute, except inside another extension."
)
UNCHECKED_CODE = Problem(
    "not-found", "The code system is not known here, so the code was not checked."
)
OTHER_DISPLAY = Problem("code-invalid", "The code system displays this code with other words.")
NO_SUCH_CODE = Problem("code-invalid", "The code system has no such code.")
NO_COMPARATOR = Problem("structure", "This quantity must not have a comparator (SimpleQuantity).")


UNNAMED_ENTRIES = frozenset({"transaction", "transaction-response", "batch", "batch-response"})
NO_FULL_URL = Problem(
    "required", "An entry with a resource must have a fullUrl, except in a transaction or batch."
)
OTHER_FULL_URL = Problem(
    "value", "A fullUrl on a server must end with the type and id of the entry's resource."
)
OTHER_HASH = Problem("value", "The hash must be the SHA-1 of the data.")
NO_URI = Problem(
    "value", "An identifier of urn:ietf:rfc:3986 must have an absolute URI as its value."
)
_RESTFUL = re.compile(
    rf"https?://\S+?/({'|'.join(sorted(RESOURCE_TYPES))})/([A-Za-z0-9\-.]{{1,64}})"
)


def extension(value: Json, path: Path, visit: Visit) -> None:
    """ext-1, and the absolute url of https://hl7.org/fhir/R4/extensibility.html#Extension."""
    has_value = any(name.startswith(("value", "_value")) for name in value)
    if "extension" in value:
        if has_value:
            visit.add(path, BOTH)
    elif not has_value:
        visit.add(path, NEITHER)
    url = value.get("url")
    if type(url) is str and url:
        if ":" in url:
            visit.claims.extensions.append((path, url))
            return
        parent = path[0]
        if parent is None or not _is_extension(parent):
            visit.add((path, "url", None), RELATIVE_URL)


def claimed_profiles(value: Json, path: Path, visit: Visit) -> None:
    """Takes note of ``meta.profile``."""
    resource = path[0]
    if "profile" in value and path[1] == "meta" and resource is not None:
        visit.claims.profiles.append((resource, value["profile"]))


def existing_code(value: Json, path: Path, visit: Visit) -> None:
    """The code of a Coding or Quantity is one that its system has, where the system is known here.

    https://hl7.org/fhir/R4/datatypes.html#Coding
    """
    system, code = value.get("system"), value.get("code")
    if type(system) is not str or type(code) is not str:
        return
    terminology = visit.terminology
    is_code = terminology.is_code(system, code)
    if is_code is False and not terminology.is_of_another_edition(system, value.get("version")):
        visit.add((path, "code", None), NO_SUCH_CODE)
    elif visit.advice and is_code is None:
        visit.add((path, "code", None), UNCHECKED_CODE, "information")
    elif visit.advice and not terminology.is_display(system, code, value.get("display")):
        visit.add((path, "display", None), OTHER_DISPLAY, "warning")


def simple_quantity(value: Json, path: Path, visit: Visit) -> None:
    """sqty-1 of https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity."""
    if "comparator" in value:
        visit.add((path, "comparator", None), NO_COMPARATOR)


def attachment(value: Json, path: Path, visit: Visit) -> None:
    """``hash`` is the SHA-1 of ``data``: https://hl7.org/fhir/R4/datatypes-definitions.html#Attachment.hash."""
    data, stated = value.get("data"), value.get("hash")
    if type(data) is str and type(stated) is str:
        try:
            found = sha1(b64decode(data), usedforsecurity=False).digest()
            agrees = b64decode(stated) == found
        except ValueError:
            return  # told where the text is judged as base64
        if not agrees:
            visit.add((path, "hash", None), OTHER_HASH)


def identifier(value: Json, path: Path, visit: Visit) -> None:
    """https://hl7.org/fhir/R4/datatypes.html#identifier: of urn:ietf:rfc:3986 the value is an absolute URI."""
    if value.get("system") == "urn:ietf:rfc:3986":
        uri = value.get("value")
        if type(uri) is str and ":" not in uri:
            visit.add((path, "value", None), NO_URI)


def bundle(value: Json, path: Path, visit: Visit) -> None:
    """What https://hl7.org/fhir/R4/bundle.html#bundle-unique asks of each entry's fullUrl."""
    entries = value.get("entry")
    kind = value.get("type")
    may_lack = type(kind) is str and kind in UNNAMED_ENTRIES
    for index, entry in enumerate(entries if type(entries) is list else ()):
        resource = entry.get("resource") if type(entry) is dict else None
        if type(resource) is not dict:
            continue
        url = entry.get("fullUrl")
        place: Path = (path, "entry", index)
        if url is None:
            if not may_lack and "_fullUrl" not in entry:
                visit.add((place, "fullUrl", None), NO_FULL_URL)
        elif type(url) is str and url.startswith("http"):
            id_ = resource.get("id")
            found = _RESTFUL.fullmatch(url) if type(id_) is str else None
            if found and (found[1] != resource.get("resourceType") or found[2] != id_):
                visit.add((place, "fullUrl", None), OTHER_FULL_URL)


def _is_extension(path: Path) -> bool:
    return path[1] in ("extension", "modifierExtension")


def _has(value: Json, name: str) -> bool:
    return name in value or f"_{name}" in value


def _code_has_system(value: Json) -> bool:
    """qty-3"""
    return not _has(value, "code") or _has(value, "system")


def _value_has_system(value: Json) -> bool:
    """cpt-2"""
    return not _has(value, "value") or _has(value, "system")


def _data_has_type(value: Json) -> bool:
    """att-1"""
    return not _has(value, "data") or _has(value, "contentType")


def _is_whole_ratio(value: Json) -> bool:
    """rat-1"""
    has_numerator = "numerator" in value
    return has_numerator == ("denominator" in value) and (has_numerator or "extension" in value)


def _ends_after_start(value: Json) -> bool:
    """per-1"""
    start, end = value.get("start"), value.get("end")
    if type(start) is not str or type(end) is not str:
        return True
    return _in_order(Node(start, "dateTime"), Node(end, "dateTime"))


def _high_is_not_low(value: Json) -> bool:
    """rng-2"""
    low, high = value.get("low"), value.get("high")
    if type(low) is not dict or type(high) is not dict:
        return True
    return _in_order(Node(low, "Quantity"), Node(high, "Quantity"))


def _in_order(first: Node, second: Node) -> bool:
    try:
        found = order(first, second)
    except EvaluationError:
        return False
    return found is not None and found <= 0


def _rule(holds: Callable[[Json], bool]) -> Callable[[Invariant], Rule]:
    def of_invariant(invariant: Invariant) -> Rule:
        problem = Problem("invariant", f"{invariant.text.rstrip('.')} ({invariant.key}).")

        def rule(value: Json, path: Path, visit: Visit) -> None:
            if not holds(value):
                visit.add(path, problem)

        return rule

    return of_invariant


NATIVE: Final[Mapping[str, Callable[[Invariant], Rule]]] = {
    "att-1": _rule(_data_has_type),
    "cpt-2": _rule(_value_has_system),
    "per-1": _rule(_ends_after_start),
    "qty-3": _rule(_code_has_system),
    "rat-1": _rule(_is_whole_ratio),
    "rng-2": _rule(_high_is_not_low),
}
"""Key → the rule for an invariant of that key."""

TYPE_RULES: Final[Mapping[str, Rule]] = {
    "Attachment": attachment,
    "Bundle": bundle,
    "Identifier": identifier,
    "Extension": extension,
    "Meta": claimed_profiles,
    "Coding": existing_code,
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), existing_code),
}
"""Type → the rule that every instance of it must meet."""
