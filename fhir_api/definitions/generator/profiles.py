"""Profiles and extensions that R4 itself defines → what of them can be checked, as differentials."""

from __future__ import annotations

from typing import Any

from fhir_api.definitions.generator.package import DefinitionsPackage

Table = dict[str, Any]

# fmt: off
CHECKED = frozenset({
    "id", "path", "sliceName", "slicing", "min", "max", "contentReference", "type", "binding", "constraint",
    "maxLength", "isModifier",
})
CHECKED_CHOICES = ("fixed", "pattern", "minValue", "maxValue")
KEPT = (
    "url", "version", "name", "kind", "abstract", "type", "baseDefinition", "derivation", "context",
    "contextInvariant",
)
# fmt: on
CORE = "http://hl7.org/fhir/StructureDefinition/"
ANYWHERE = frozenset(
    {
        f"{CORE}structuredefinition-fhir-type",
        f"{CORE}structuredefinition-normative-version",
        f"{CORE}regex",
    }
)
"""Extensions that R4's own definitions have in other places than they say: their contexts are left out."""


def profiles(package: DefinitionsPackage) -> Table:
    """URL → StructureDefinition of every profile and extension, its differential reduced to what is checked."""
    found = {
        resource["url"]: _profile(resource)
        for resource in package.resources("StructureDefinition")
        if resource.get("derivation") == "constraint"
    }
    return dict(sorted(found.items()))


def _profile(resource: Table) -> Table:
    row = {name: resource[name] for name in KEPT if name in resource}
    if resource["url"] in ANYWHERE:
        del row["context"]
    elements = [_element(element) for element in resource["differential"]["element"]]
    return {
        "resourceType": "StructureDefinition",
        **row,
        "differential": {"element": elements},
    }


def _element(element: Table) -> Table:
    row = {
        name: value
        for name, value in element.items()
        if name in CHECKED or name.startswith(CHECKED_CHOICES)
    }
    if "binding" in row:
        row["binding"] = {
            name: row["binding"][name]
            for name in ("strength", "valueSet")
            if name in row["binding"]
        }
    if "slicing" in row:
        row["slicing"] = {n: v for n, v in row["slicing"].items() if n != "description"}
    if "constraint" in row:
        row["constraint"] = [
            {n: c[n] for n in ("key", "severity", "human", "expression") if n in c}
            for c in row["constraint"]
        ]
    return row
