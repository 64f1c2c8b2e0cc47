"""Profiles that a test writes in a few lines."""

from __future__ import annotations

from typing import Any

import orjson

from fhir_api.conformance.library import Definition, Library, read_definition
from fhir_api.validation import Validator
from fhir_api.validation.profiles import Profiles

BASE = "http://example.org/fhir/"
R4 = "http://hl7.org/fhir/StructureDefinition/"


def profile(
    type: str, *elements: dict[str, Any], name: str = "p", base: str | None = None, **members: Any
) -> dict[str, Any]:
    """A StructureDefinition with a differential. An element's ``path`` is given below the type."""
    rows = [{**element, "path": f"{type}.{element['path']}"} for element in elements]
    return {
        "resourceType": "StructureDefinition",
        "url": BASE + name,
        "name": name,
        "status": "draft",
        "kind": "complex-type" if type[0].islower() or type == "Extension" else "resource",
        "abstract": False,
        "type": type,
        "baseDefinition": base or R4 + type,
        "derivation": "constraint",
        "differential": {"element": with_ids([{"path": type}, *rows])},
        **members,
    }


def with_ids(elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each element with the id that R4 wants: its path, with the slices on the way (sdf-14).

    https://hl7.org/fhir/R4/elementdefinition.html#id
    """
    ids: dict[str, str] = {}
    for element in elements:
        parent, _, name = element["path"].rpartition(".")
        own = f":{element['sliceName']}" if "sliceName" in element else ""
        ids[element["path"]] = f"{ids.get(parent, parent)}.{name}{own}" if parent else name
        element["id"] = ids[element["path"]]
    return elements


def knowing(*resources: dict[str, Any]) -> Validator:
    """A validator that has these definitions loaded."""
    validator = Validator()
    validator.use(Profiles(Library([_definitions(resources)]).find))
    return validator


def _definitions(resources: tuple[dict[str, Any], ...]) -> list[Definition]:
    found = [read_definition(orjson.dumps(resource)) for resource in resources]
    return [definition for definition in found if definition is not None]


def errors(validator: Validator, resource: dict[str, Any], *profiles: str) -> list[tuple[str, str]]:
    """Where and what: each error as its expression and the first words of its text."""
    issues = validator.validate(resource, resource["resourceType"], profiles=profiles)
    return [(issue.expression, issue.text) for issue in issues if issue.is_error]


def places(validator: Validator, resource: dict[str, Any], *profiles: str) -> list[str]:
    """Where errors are, by the profile ``p`` where none is named."""
    return [place for place, _ in errors(validator, resource, *(profiles or (BASE + "p",)))]
