"""SearchParameters → what each resource type can be searched by."""

from __future__ import annotations

import re
from typing import Any

from fhir_api.definitions.generator.package import DefinitionsPackage

SEARCH_PARAMETER = "http://hl7.org/fhir/SearchParameter/"
ILLUSTRATIONS = frozenset({"example", "example-extension", "example-reference"})
"""SearchParameters that only show what one looks like."""

CORRECTIONS = {
    # The expression names the parameter where it should name the extension.
    "patient-extensions-Patient-mothersMaidenName": (
        "Patient.extension('http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName')"
    ),
}

Table = dict[str, Any]


def search_parameters(package: DefinitionsPackage) -> Table:
    """Type → code → {id, type, expression, targets}; ``Resource`` and ``DomainResource`` hold what all share."""
    tables: dict[str, Table] = {}
    for parameter in package.resources("SearchParameter"):
        name = parameter["url"].removeprefix(SEARCH_PARAMETER)
        if name in ILLUSTRATIONS or "base" not in parameter:
            continue
        for base in parameter["base"]:
            row: Table = {"id": name, "type": parameter["type"]}
            expression = CORRECTIONS.get(name) or _own_part(parameter.get("expression", ""), base)
            if expression:
                row["expression"] = expression
            if parameter.get("target"):
                row["targets"] = sorted(parameter["target"])
            if "component" in parameter:
                row["components"] = [
                    {
                        "definition": c["definition"].removeprefix(SEARCH_PARAMETER),
                        "expression": c["expression"],
                    }
                    for c in parameter["component"]
                ]
            tables.setdefault(base, {})[parameter["code"]] = row
    return {base: dict(sorted(table.items())) for base, table in sorted(tables.items())}


def _own_part(expression: str, base: str) -> str:
    """The alternatives of a shared parameter's union that start at ``base``."""
    if base in ("Resource", "DomainResource"):
        return expression
    own = [
        part.strip() for part in expression.split("|") if re.match(rf"\(*{base}\b", part.strip())
    ]
    return " | ".join(own)
