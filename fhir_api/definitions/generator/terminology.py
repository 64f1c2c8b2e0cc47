"""CodeSystems and ValueSets → what decides about codes, without the prose.

Of a ValueSet the displays are left out: what a code means stands in its code system.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_api.definitions.generator.package import DefinitionsPackage

Table = dict[str, Any]

CURRENCIES = "urn:iso:std:iso:4217"
COUNTRIES = "urn:iso:std:iso:3166"


def code_systems(package: DefinitionsPackage) -> Table:
    """URL → CodeSystem. Two of ISO's are made of the value sets that list their codes."""
    found = {
        resource["url"]: _code_system(resource) for resource in package.resources("CodeSystem")
    }
    expansions = next(b for b in package.resources("Bundle") if b["id"] == "valueset-expansions")
    currencies = [
        row["code"]
        for entry in expansions["entry"]
        for row in _listed(entry["resource"])
        if row["system"] == CURRENCIES
    ]
    countries = [
        row["code"]
        for value_set in package.resources("ValueSet")
        for part in value_set.get("compose", {}).get("include", ())
        if part.get("system") == COUNTRIES
        for row in part.get("concept", ())
    ]
    found[CURRENCIES] = _iso(CURRENCIES, currencies)
    found[COUNTRIES] = _iso(COUNTRIES, countries)
    return dict(sorted(found.items()))


def value_sets(package: DefinitionsPackage) -> Table:
    """URL → ValueSet."""
    return {
        resource["url"]: _picked(resource, ("url", "version", "name"))
        | {"compose": _compose(resource["compose"])}
        for resource in sorted(package.resources("ValueSet"), key=lambda r: str(r["url"]))
        if "compose" in resource
    }


def _listed(resource: Table) -> Iterator[Table]:
    for row in resource.get("expansion", {}).get("contains", ()):
        if "system" in row and "code" in row:
            yield row


def _iso(url: str, codes: Iterable[str]) -> Table:
    concepts = [{"code": code} for code in sorted(set(codes))]
    return {"url": url, "content": "complete", "caseSensitive": True, "concept": concepts}


def _code_system(resource: Table) -> Table:
    row = _picked(resource, ("url", "version", "name", "content", "caseSensitive", "supplements"))
    if "concept" in resource:
        row["concept"] = [_concept(concept) for concept in resource["concept"]]
    return row


def _concept(concept: Table) -> Table:
    row = _picked(concept, ("code", "display", "property"))
    if "concept" in concept:
        row["concept"] = [_concept(inner) for inner in concept["concept"]]
    return row


def _compose(compose: Table) -> Table:
    return {
        side: [_part(part) for part in compose[side]]
        for side in ("include", "exclude")
        if side in compose
    }


def _part(part: Table) -> Table:
    row = _picked(part, ("system", "version", "filter", "valueSet"))
    if "concept" in part:
        row["concept"] = [{"code": concept["code"]} for concept in part["concept"]]
    return row


def _picked(row: Table, names: tuple[str, ...]) -> Table:
    return {name: row[name] for name in names if name in row}
