"""Required ValueSets → the codes they hold, by system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_api.definitions.generator.package import DefinitionsPackage

Table = dict[str, Any]


def code_sets(package: DefinitionsPackage, elements: Table) -> Table:
    """ValueSet URL → {system: codes} for every required binding, or {"open": reason} where no list exists."""
    urls = {
        element["codes"]
        for table in elements["types"].values()
        for element in table["elements"].values()
        if "codes" in element
    }
    value_sets = {resource["url"]: resource for resource in package.resources("ValueSet")}
    systems = {resource["url"]: resource for resource in package.resources("CodeSystem")}
    expansions = _expansions(package)
    return {url: _expand(url, value_sets, systems, expansions) for url in sorted(urls)}


def _expansions(package: DefinitionsPackage) -> Mapping[str, Table]:
    bundle = next(b for b in package.resources("Bundle") if b["id"] == "valueset-expansions")
    return {entry["resource"]["url"]: entry["resource"] for entry in bundle["entry"]}


def _expand(
    url: str,
    value_sets: Mapping[str, Table],
    systems: Mapping[str, Table],
    expansions: Mapping[str, Table],
) -> Table:
    if url not in value_sets:
        return {"open": "the package does not define it"}
    codes: dict[str, set[str]] = {}
    for include in value_sets[url]["compose"]["include"]:
        system = include["system"]
        if "filter" in include or "valueSet" in include:
            raise ValueError(f"{url}: only plain includes are expanded")
        if "concept" in include:
            listed = {concept["code"] for concept in include["concept"]}
        elif systems.get(system, {}).get("content") == "complete":
            listed = set(_codes(systems[system]))
        elif system == "urn:iso:std:iso:4217":
            contains = expansions[url]["expansion"]["contains"]
            listed = {concept["code"] for concept in contains if concept["system"] == system}
        else:
            return {"open": "its code system is a grammar", "system": system}
        codes.setdefault(system, set()).update(listed)
    return {"systems": {system: sorted(listed) for system, listed in sorted(codes.items())}}


def _codes(concepts: Table) -> Iterator[str]:
    for concept in concepts.get("concept", ()):
        yield concept["code"]
        yield from _codes(concept)
