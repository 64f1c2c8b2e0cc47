"""Every way to break a valid resource at one place, found by walking it along R4's definitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from fhir_api.definitions.code_sets import code_set
from fhir_api.definitions.elements import PRIMITIVES, Property, properties_of

Keys: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """Put ``value`` at ``keys`` (or take away what is there), and an error of ``code`` must stand at ``place``."""

    what: str
    keys: Keys
    value: Any
    code: str
    place: str

    def applied_to(self, content: bytes) -> dict[str, Any]:
        resource: dict[str, Any] = orjson.loads(content)
        holder: Any = resource
        for key in self.keys[:-1]:
            holder = holder[key]
        if self.value is REMOVED:
            del holder[self.keys[-1]]
        else:
            holder[self.keys[-1]] = self.value
        return resource


REMOVED = object()


def mutations(resource: dict[str, Any]) -> Iterator[Mutation]:
    """All mutations of ``resource``, which must be valid."""
    type_ = resource["resourceType"]
    yield from _of_object(resource, type_, (), type_)


def _of_object(value: dict[str, Any], type_: str, keys: Keys, place: str) -> Iterator[Mutation]:
    yield Mutation("unknown element", (*keys, "zzz"), 1, "structure", f"{place}.zzz")
    if keys:
        code = "required" if "resourceType" in value else "structure"
        yield Mutation("empty object", keys, {}, code, place)
        yield Mutation("text for an object", keys, "x", "structure", place)
    for name, found in properties_of(type_).items():
        if name in value:
            yield from _of_member(value, found, keys, place)


def _of_member(
    owner: dict[str, Any], found: Property, keys: Keys, place: str
) -> Iterator[Mutation]:
    name, value, at = found.name, owner[found.name], f"{place}.{found.name}"
    here: Keys = (*keys, name)
    if found.element.min and f"_{name}" not in owner:
        element = found.element_name.removesuffix("[x]")
        yield Mutation("required element missing", here, REMOVED, "required", f"{place}.{element}")
    yield Mutation("null", here, None, "structure", at)
    if found.element.repeats:
        yield Mutation("empty array", here, [], "structure", at)
        yield Mutation("no array", here, value[0] or "x", "structure", at)
        for index, item in enumerate(value):
            if item is not None:
                yield from _of_value(item, found, (*here, index), f"{at}[{index}]")
    else:
        yield Mutation("too many", here, [value], "structure", at)
        yield from _of_value(value, found, here, at)


def _of_value(value: Any, found: Property, keys: Keys, place: str) -> Iterator[Mutation]:
    if found.type in PRIMITIVES:
        yield from _of_primitive(value, found, keys, place)
    elif found.type == "Resource":
        yield from _of_object(value, value["resourceType"], keys, place)
    else:
        yield from _of_object(value, found.type, keys, place)
        targets = found.element.targets
        if (
            found.type == "Reference"
            and "reference" in value
            and targets
            and "Resource" not in targets
        ):
            yield Mutation(
                "wrong target", (*keys, "reference"), "Basic/1", "value", f"{place}.reference"
            )


def _of_primitive(value: Any, found: Property, keys: Keys, place: str) -> Iterator[Mutation]:
    yield Mutation("object for a primitive", keys, {"id": "a"}, "structure", place)
    if isinstance(value, str):
        yield Mutation(
            "empty text", keys, "", "invalid" if found.type == "xhtml" else "value", place
        )
        yield Mutation("number for text", keys, 5, "structure", place)
    else:
        yield Mutation("text for a number or boolean", keys, str(value), "structure", place)
    if found.element.codes and code_set(found.element.codes).open is None:
        yield Mutation("code outside its value set", keys, "no-such-code", "code-invalid", place)
