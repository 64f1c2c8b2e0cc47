"""Parameters in and out of operations: https://hl7.org/fhir/R4/parameters.html"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import JSON_HEADERS, Request, Response
from fhir_api.interactions.write import draft


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a client sent. Each accessor raises FhirError where a value is missing, repeated or of another kind."""

    values: Mapping[str, tuple[tuple[int, Mapping[str, Any]], ...]]
    """Name → (index in the resource, parameter), in order."""

    def texts(self, name: str, kind: str = "valueString") -> tuple[str, ...]:
        return tuple(
            self._value(name, index, item, kind) for index, item in self.values.get(name, ())
        )

    def text(self, name: str, kind: str = "valueString") -> str:
        """The one value; it must be there."""
        found = self.optional_text(name, kind)
        if found is None:
            raise FhirError(
                Category.INVALID, f"The parameter {name} is missing.", "Parameters.parameter"
            )
        return found

    def optional_text(self, name: str, kind: str = "valueString") -> str | None:
        self._at_most_one(name)
        found = self.texts(name, kind)
        return found[0] if found else None

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str:
        """The one code, of those that are allowed; ``default`` where it is absent, an error where there is none."""
        if default is None or name in self.values:
            code = self.text(name, "valueCode")
            if code not in choices:
                text = f"The parameter {name} must be one of " + ", ".join(sorted(choices)) + "."
                where = f"Parameters.parameter[{self.values[name][0][0]}]"
                raise FhirError(Category.INVALID, text, where)
            return code
        return default

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """The one value, within its limits; ``default`` where it is absent."""
        self._at_most_one(name)
        for index, item in self.values.get(name, ()):
            value = next(
                (
                    item[kind]
                    for kind in ("valueInteger", "valuePositiveInt", "valueUnsignedInt")
                    if kind in item
                ),
                None,
            )
            if not isinstance(value, int) or not least <= value <= most:
                text = f"The parameter {name} must be an integer from {least} to {most}."
                raise FhirError(Category.INVALID, text, f"Parameters.parameter[{index}]")
            return value
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        self._at_most_one(name)
        for index, item in self.values.get(name, ()):
            if not isinstance(item.get("valueBoolean"), bool):
                text = f"The parameter {name} must be a boolean."
                raise FhirError(Category.INVALID, text, f"Parameters.parameter[{index}]")
            return bool(item["valueBoolean"])
        return default

    def references(self, name: str, type: str) -> tuple[str, ...]:
        """Ids of the resources of ``type`` that the parameter refers to."""
        ids = []
        for index, item in self.values.get(name, ()):
            value = item.get("valueReference")
            reference = value.get("reference") if isinstance(value, dict) else None
            found, _, id = str(reference).partition("/")
            if found != type or not id:
                text = f"The parameter {name} must be a Reference to {type}/<id>."
                raise FhirError(Category.INVALID, text, f"Parameters.parameter[{index}]")
            ids.append(id)
        return tuple(ids)

    def _value(self, name: str, index: int, item: Mapping[str, Any], kind: str) -> str:
        value = item.get(kind)
        if not isinstance(value, str) or not value or len(value) > 200:
            text = f"The parameter {name} must be a {kind} of 1 to 200 characters."
            raise FhirError(Category.INVALID, text, f"Parameters.parameter[{index}]")
        return value

    def _at_most_one(self, name: str) -> None:
        found = self.values.get(name, ())
        if len(found) > 1:
            text = f"The parameter {name} may stand only once."
            raise FhirError(Category.INVALID, text, f"Parameters.parameter[{found[1][0]}]")


def parameters_of(api: Api, request: Request, known: frozenset[str]) -> Parameters:
    """The request's Parameters resource.

    Raises:
        FhirError: the body is no valid Parameters resource, or names a parameter that is not ``known``.
    """
    tree = draft(api, "Parameters", request.body).tree
    values: dict[str, tuple[tuple[int, Mapping[str, Any]], ...]] = {}
    for index, item in enumerate(tree.get("parameter", [])):
        name = str(item["name"])
        if name not in known:
            text = "The operation has no such parameter; it takes " + ", ".join(sorted(known)) + "."
            raise FhirError(Category.INVALID, text, f"Parameters.parameter[{index}].name")
        values[name] = (*values.get(name, ()), (index, item))
    return Parameters(values)


def parameters_response(parameters: list[dict[str, Any]]) -> Response:
    """200 with a Parameters resource; a ``resource`` may be ``msgspec.Raw``, a stored resource as it is."""
    body: dict[str, Any] = {"resourceType": "Parameters"}
    if parameters:
        body["parameter"] = parameters
    return Response(200, JSON_HEADERS, msgspec.json.encode(body))
