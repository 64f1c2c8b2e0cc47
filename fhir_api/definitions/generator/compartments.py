"""CompartmentDefinitions → which parameters put a resource into a compartment."""

from __future__ import annotations

from typing import Any

from fhir_api.definitions.generator.package import DefinitionsPackage


def compartments(package: DefinitionsPackage) -> dict[str, Any]:
    """Compartment → resource type → search parameter codes; ``{def}`` stands for the resource itself."""
    return {
        definition["code"]: {
            resource["code"]: resource["param"]
            for resource in sorted(definition["resource"], key=lambda r: str(r["code"]))
            if "param" in resource
        }
        for definition in sorted(
            package.resources("CompartmentDefinition"), key=lambda d: str(d["code"])
        )
        if definition["id"] != "example"
    }
