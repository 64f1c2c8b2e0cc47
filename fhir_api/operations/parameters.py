"""Parameters in and out of operations, from the body or the URL: https://hl7.org/fhir/R4/operations.html#executing"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from fhir_api.api import Api
from fhir_api.document import Tree, parse
from fhir_api.errors import Category, FhirError
from fhir_api.http import JSON_HEADERS, Request, Response, query_pairs

OF_ANY_REQUEST = frozenset({"_format", "_pretty", "_summary", "_elements"})
"""Query parameters that shape the answer and are no parameters of the operation, unless it says so."""

_MOST_CHARACTERS = {"valueUri": 2048, "valueUrl": 2048, "valueCanonical": 2048}
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Given:
    """One parameter as it was sent."""

    place: str
    """Parameters.parameter[3], or http.name in the URL."""
    item: Mapping[str, Any] = field(default_factory=dict)
    """The parameter of the Parameters resource."""
    text: str | None = None
    """Its text in the URL, where a value has no type."""

    def value(self, *kinds: str) -> Any:  # noqa: ANN401 - what JSON holds
        """The value where it is one of these kinds (``valueCode``); None where it is not."""
        return next((self.item[kind] for kind in kinds if kind in self.item), None)

    def refused(self, text: str) -> FhirError:
        return FhirError(Category.INVALID, text, self.place)


@dataclass(frozen=True, slots=True)
class Sent:
    """A resource among the parameters, not validated."""

    tree: Tree
    body: bytes
    """As it was sent."""
    place: str
    """Where it stands in the Parameters; '': it is the body."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a client sent. Each accessor raises FhirError where a value is missing, repeated or of another kind."""

    values: Mapping[str, tuple[Given, ...]]
    """Name → parameters, in order."""
    body: bytes = b""
    """The request's."""

    def texts(self, name: str, *kinds: str) -> tuple[str, ...]:
        """Every value, of one of ``kinds``; valueString where none is named."""
        return tuple(_text(name, given, kinds or ("valueString",)) for given in self.all(name))

    def text(self, name: str, *kinds: str) -> str:
        """The one value; it must be there."""
        found = self.optional_text(name, *kinds)
        if found is None:
            text = f"The parameter {name} is missing."
            raise FhirError(Category.INVALID, text, "Parameters.parameter")
        return found

    def optional_text(self, name: str, *kinds: str) -> str | None:
        given = self.one(name)
        return _text(name, given, kinds or ("valueString",)) if given else None

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str:
        """The one code, of those that are allowed; ``default`` where it is absent, an error where there is none."""
        given = self.one(name)
        if given is None and default is not None:
            return default
        code = self.text(name, "valueCode")
        if given and code not in choices:
            text = f"The parameter {name} must be one of " + ", ".join(sorted(choices)) + "."
            raise given.refused(text)
        return code

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """The one value, within its limits; ``default`` where it is absent."""
        given = self.one(name)
        if given is None:
            return default
        value = given.value("valueInteger", "valuePositiveInt", "valueUnsignedInt")
        text = given.text
        if text is not None and text.isascii() and text.isdigit() and len(text) < 19:
            value = int(text)
        if not isinstance(value, int) or not least <= value <= most:
            raise given.refused(f"The parameter {name} must be an integer from {least} to {most}.")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        given = self.one(name)
        if given is None:
            return default
        value = _TRUTH.get(given.text) if given.text is not None else given.value("valueBoolean")
        if not isinstance(value, bool):
            raise given.refused(f"The parameter {name} must be a boolean.")
        return value

    def references(self, name: str, type: str) -> tuple[str, ...]:
        """Ids of the resources of ``type`` that the parameter refers to."""
        ids = []
        for given in self.all(name):
            value = given.value("valueReference")
            reference = value.get("reference") if isinstance(value, dict) else given.text
            found, _, id = str(reference).partition("/")
            if found != type or not id:
                raise given.refused(f"The parameter {name} must be a Reference to {type}/<id>.")
            ids.append(id)
        return tuple(ids)

    def resource(self, name: str) -> Sent | None:
        """The one resource of that name, or the body where it is that resource and no Parameters."""
        given = self.one(name)
        if given is None:
            return None
        tree = given.item.get("resource")
        if not isinstance(tree, dict):
            raise given.refused(f"The parameter {name} must be a resource.")
        if given.place == WHOLE_BODY:
            return Sent(tree, self.body, "")
        return Sent(tree, self.raw(name, "resource"), f"{given.place}.resource")

    def raw(self, name: str, member: str) -> bytes:
        """A member (``valueMeta``) of the one parameter of that name, as it was sent; it must be there."""
        given = self.one(name)
        if given is None or member not in given.item:
            text = f"The parameter {name} is missing, or has no {member}."
            raise FhirError(
                Category.INVALID, text, given.place if given else "Parameters.parameter"
            )
        sent = next(one for one in _sent(self.body) if orjson.loads(bytes(one["name"])) == name)
        return bytes(sent[member])

    def all(self, name: str) -> tuple[Given, ...]:
        return self.values.get(name, ())

    def one(self, name: str) -> Given | None:
        """The parameter, which may stand only once."""
        found = self.values.get(name, ())
        if len(found) > 1:
            raise found[1].refused(f"The parameter {name} may stand only once.")
        return found[0] if found else None


WHOLE_BODY = "http.body"


class _Parameters(msgspec.Struct):
    parameter: list[dict[str, msgspec.Raw]] = []


def _sent(body: bytes) -> list[dict[str, msgspec.Raw]]:
    return msgspec.json.decode(body, type=_Parameters).parameter


def _text(name: str, given: Given, kinds: tuple[str, ...]) -> str:
    value = given.text if given.text is not None else given.value(*kinds)
    most = max(_MOST_CHARACTERS.get(kind, 200) for kind in kinds)
    if not isinstance(value, str) or not value or len(value) > most:
        kind = " or ".join(kinds)
        raise given.refused(f"The parameter {name} must be a {kind} of 1 to {most} characters.")
    return value


def parameters_of(
    api: Api, request: Request, known: frozenset[str], *, resource: str | None = None
) -> Parameters:
    """What the request gives the operation: the parameters of the URL and those of a Parameters resource in the body.

    ``resource`` names the one parameter that may be the body itself, where the body is another resource. Resources
    among the parameters are not validated: ``Parameters.resource`` hands them out as they were sent.

    Raises:
        FhirError: the body is no valid Parameters resource, or names a parameter that is not ``known``.
    """
    values: dict[str, tuple[Given, ...]] = {}
    for name, text in query_pairs(request.query):
        if name in known:
            values[name] = (*values.get(name, ()), Given(f"http.{name}", text=text))
        elif name not in OF_ANY_REQUEST:
            raise _unknown(known, "http.url")
    if request.method != "POST" or not request.body:
        return Parameters(values)
    tree = parse(request.body, api.options.max_depth)
    if resource is not None and tree.get("resourceType") not in (None, "Parameters"):
        whole = Given(WHOLE_BODY, {"name": resource, "resource": tree})
        values[resource] = (*values.get(resource, ()), whole)
        return Parameters(values, request.body)
    _require_valid(api, tree)
    for index, item in enumerate(tree.get("parameter", [])):
        name, place = str(item["name"]), f"Parameters.parameter[{index}]"
        if name not in known:
            raise _unknown(known, f"{place}.name")
        values[name] = (*values.get(name, ()), Given(place, item))
    return Parameters(values, request.body)


def _unknown(known: frozenset[str], place: str) -> FhirError:
    takes = ", ".join(sorted(known)) or "none"
    text = f"The operation has no such parameter; it takes {takes}."
    return FhirError(Category.INVALID, text, place)


def _require_valid(api: Api, tree: Tree) -> None:
    if tree.get("resourceType") != "Parameters":
        text = "The body is not a Parameters resource."
        raise FhirError(Category.INVALID, text, "resourceType")
    items = tree.get("parameter")
    bare = [_without_resource(item) for item in items] if isinstance(items, list) else items
    shell = tree if items is None else {**tree, "parameter": bare}
    issues = [one for one in api.validator.validate(shell, "Parameters") if one.is_error]
    if issues:
        raise FhirError(Category.UNPROCESSABLE, "The Parameters are not valid.", issues=issues)


def _without_resource(item: Any) -> Any:  # noqa: ANN401 - not validated yet
    """The parameter with a resource that is valid in the place of its own, which the operation judges."""
    if isinstance(item, dict) and isinstance(item.get("resource"), dict):
        return {**item, "resource": {"resourceType": "Parameters"}}
    return item


def parameters_response(parameters: list[dict[str, Any]]) -> Response:
    """200 with a Parameters resource; a ``resource`` may be ``msgspec.Raw``, a stored resource as it is."""
    body: dict[str, Any] = {"resourceType": "Parameters"}
    if parameters:
        body["parameter"] = parameters
    return Response(200, JSON_HEADERS, msgspec.json.encode(body))
