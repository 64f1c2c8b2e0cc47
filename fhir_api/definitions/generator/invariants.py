"""StructureDefinitions → the invariants of R4's own types (https://hl7.org/fhir/R4/conformance-rules.html#constraints)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fhir_api.definitions.generator.elements import Table, structures
from fhir_api.definitions.generator.package import DefinitionsPackage

EVERYWHERE: Final = frozenset(
    {"dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ele-1", "ext-1", "ref-1", "txt-1", "txt-2"}
)
"""Written out by hand in ``fhir_api.validation``: they stand on every element or resource, thousands of times."""


_NAME: Final = "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')"
_PATH_PART: Final = r"""[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}"""

MENDED: Final[Mapping[str, str]] = {
    # A condition on an absent element is empty, and empty does not hold; and matches() finds the pattern anywhere,
    # where these expressions were written for one that spans the text.
    _NAME: "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
    rf"path.matches('{_PATH_PART}(\\.{_PATH_PART}(\\[x\\])?(\\:[^\\s\\.]+)?)*')": (
        rf"path.matches('^{_PATH_PART}(\\.{_PATH_PART}(\\[x\\])?(\\:[^\\s\\.]+)?)*$')"
    ),
    r"path.matches('[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*')": (
        r"path.matches('^[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*$')"
    ),
    "fullUrl.contains('/_history/').not()": (
        "fullUrl.exists() implies fullUrl.contains('/_history/').not()"
    ),
    "probability is decimal implies (probability as decimal) <= 100": (
        "probability.empty() or ((probability is decimal) implies ((probability as decimal) <= 100))"
    ),
    # que-12 says 'more than one', and two are more than one.
    "enableWhen.count() > 2 implies enableBehavior.exists()": (
        "enableWhen.count() >= 2 implies enableBehavior.exists()"
    ),
    # que-7 asks for the FHIR type; Boolean is the one of calculated values.
    "operator = 'exists' implies (answer is Boolean)": (
        "operator = 'exists' implies (answer is boolean)"
    ),
}
"""Published expression → what it was meant to be. HL7's own validator mends the same ones but for que-7."""


def invariants(package: DefinitionsPackage) -> Table:
    """Path of a type or element → its invariants, each with key, severity, text and expression."""
    found: Table = {}
    for definition in structures(package):
        for element in definition["snapshot"]["element"]:
            rows = [
                _row(constraint)
                for constraint in element.get("constraint", ())
                if constraint["key"] not in EVERYWHERE
            ]
            if rows and not definition.get("abstract"):
                found[element["path"]] = rows
    return dict(sorted(found.items()))


def _row(constraint: Table) -> Table:
    expression = constraint["expression"]
    row = {
        "key": constraint["key"],
        "text": " ".join(constraint["human"].split()),
        "expression": MENDED.get(expression, expression),
    }
    if constraint["severity"] != "error":
        row["severity"] = constraint["severity"]
    return row
