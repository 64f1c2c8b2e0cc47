"""StructureDefinitions → element tables."""

from __future__ import annotations

from typing import Any

from fhir_api.definitions.generator.package import DefinitionsPackage

STRUCTURE_DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = STRUCTURE_DEFINITION + "structuredefinition-fhir-type"
REGEX = STRUCTURE_DEFINITION + "regex"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
ELEMENT_TYPES = frozenset({"Element", "BackboneElement"})

Table = dict[str, Any]


def structures(package: DefinitionsPackage) -> list[Table]:
    """The StructureDefinitions of R4's own types: no profiles, no extensions, no logical models."""
    kinds = {"resource", "complex-type", "primitive-type"}
    return [
        definition
        for definition in package.resources("StructureDefinition")
        if definition["kind"] in kinds and definition.get("derivation") != "constraint"
    ]


def element_tables(package: DefinitionsPackage) -> Table:
    """``types``: type or backbone path → kind and elements; ``primitives``: name → base, regex, limits."""
    types: Table = {}
    primitives: Table = {}
    for definition in structures(package):
        if definition["kind"] == "primitive-type":
            primitives[definition["name"]] = _primitive(definition)
        else:
            types.update(_composite(definition))
    return {"types": dict(sorted(types.items())), "primitives": dict(sorted(primitives.items()))}


def _primitive(definition: Table) -> Table:
    value = next(e for e in definition["snapshot"]["element"] if e["path"].endswith(".value"))
    row: Table = {"base": definition["baseDefinition"].removeprefix(STRUCTURE_DEFINITION)}
    for extension in value["type"][0].get("extension", ()):
        if extension["url"] == REGEX:
            row["regex"] = extension["valueString"]
    for key, limit in (
        ("min", "minValueInteger"),
        ("max", "maxValueInteger"),
        ("max_length", "maxLength"),
    ):
        if limit in value:
            row[key] = value[limit]
    return row


def _composite(definition: Table) -> Table:
    kind = "resource" if definition["kind"] == "resource" else "datatype"
    root: Table = {"kind": kind, "elements": {}}
    if definition.get("abstract"):
        root["abstract"] = True
    if "baseDefinition" in definition:
        root["base"] = definition["baseDefinition"].removeprefix(STRUCTURE_DEFINITION)
    tables = {definition["name"]: root}
    for element in definition["snapshot"]["element"][1:]:
        parent, _, name = element["path"].rpartition(".")
        tables[parent]["elements"][name] = _element(element, definition)
        if tables[parent]["elements"][name]["types"] == [element["path"]]:
            tables[element["path"]] = {"kind": "backbone", "elements": {}}
    return tables


def _element(element: Table, definition: Table) -> Table:
    types = element.get("type", [])
    row: Table = {"types": [_type_name(element, t, definition) for t in types]}
    if "contentReference" in element:
        row["types"] = [element["contentReference"].removeprefix("#")]
    elif [t["code"] for t in types] in (["Element"], ["BackboneElement"]):
        row["types"] = [element["path"]]
    if element["min"]:
        row["min"] = element["min"]
    if element["max"] != "1":
        row["max"] = None if element["max"] == "*" else int(element["max"])
    for reference in types:
        targets = [p.removeprefix(STRUCTURE_DEFINITION) for p in reference.get("targetProfile", ())]
        if targets and reference["code"] in ("Reference", "canonical"):
            row["targets"] = sorted({*row.get("targets", ()), *targets})
        if any(p == STRUCTURE_DEFINITION + "SimpleQuantity" for p in reference.get("profile", ())):
            row["simple_quantity"] = True
    binding = element.get("binding", {})
    if binding.get("strength") == "required":
        row["codes"] = binding["valueSet"].partition("|")[0]
    if binding.get("strength") == "extensible":
        row["extensible"] = binding["valueSet"].partition("|")[0]
    if element.get("isSummary"):
        row["summary"] = True
    if element.get("isModifier"):
        row["modifier"] = True
    return row


def _type_name(element: Table, type_: Table, definition: Table) -> str:
    code: str = type_["code"]
    if not code.startswith(SYSTEM_TYPE):
        return code
    if definition["kind"] == "resource" and element["path"] == f"{definition['name']}.id":
        return "id"  # the snapshot says string; Resource.id is an id (https://hl7.org/fhir/R4/resource.html)
    for extension in type_.get("extension", ()):
        if extension["url"] == FHIR_TYPE:
            return str(extension["valueUrl"])
    return "string"
