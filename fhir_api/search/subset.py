"""``_summary`` and ``_elements``: parts of a resource, cut from its bytes so that decimals keep their text.

https://hl7.org/fhir/R4/search.html#summary and #elements. What was cut carries the tag SUBSETTED, so that nobody
takes it for the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

import msgspec

from fhir_api.definitions.elements import TYPES, properties_of
from fhir_api.document import Members, joined, members_of
from fhir_api.search.criterion import invalid
from fhir_api.search.grammar import Pairs

SUBSETTED = (
    b'{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}'
)
ALWAYS = frozenset({"resourceType", "id", "meta"})

_list = msgspec.json.Decoder(list[msgspec.Raw])


class Summary(StrEnum):
    """https://hl7.org/fhir/R4/search.html#summary"""

    TRUE = "true"
    FALSE = "false"
    TEXT = "text"
    DATA = "data"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Subset:
    """Which part of each resource is wanted."""

    summary: Summary = Summary.FALSE
    elements: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.elements and self.summary in (Summary.FALSE, Summary.COUNT)

    def of(self, type: str, content: bytes) -> bytes:
        """The wanted part of a resource of ``type``."""
        if self.whole:
            return content
        members = members_of(content)
        match self.summary:
            case Summary.TRUE:
                kept = _summarised(type, members)
            case Summary.DATA:
                kept = {name: value for name, value in members.items() if name != "text"}
            case Summary.TEXT:
                kept = _chosen(members, _always(type) | {"text"})
            case _:
                kept = _chosen(members, _always(type) | _asked_for(type, self.elements))
        return joined(_tagged(kept))


def subset(content: bytes, type: str, pairs: Pairs) -> bytes:
    """A resource as a read with ``_summary`` or ``_elements`` answers it.

    Raises:
        FhirError: ``invalid``: a value that cannot be understood, or both parameters together.
    """
    said = {name: value for name, value in pairs if name in ("_summary", "_elements")}
    if not said:
        return content
    return read_subset(said).of(type, content)


def read_subset(said: Mapping[str, str]) -> Subset:
    """The part that ``_summary`` and ``_elements`` ask for.

    Raises:
        FhirError: ``invalid``: a value that cannot be understood, or both together.
    """
    try:
        summary = Summary(said.get("_summary", Summary.FALSE))
    except ValueError as error:
        raise invalid("_summary", f"it is one of {', '.join(Summary)}") from error
    elements = tuple(name for name in said.get("_elements", "").split(",") if name)
    if "_elements" in said and not elements:
        raise invalid("_elements", "it names no element")
    if elements and summary is not Summary.FALSE:
        raise invalid("_elements", "it excludes '_summary'")
    return Subset(summary, elements)


def _chosen(members: Members, names: frozenset[str]) -> Members:
    """The members with these names; a primitive's ``_name`` goes with its ``name``."""
    return {
        name: value
        for name, value in members.items()
        if name in names or (name[:1] == "_" and name[1:] in names)
    }


@cache
def _always(type: str) -> frozenset[str]:
    """What no subset leaves out: identity, mandatory elements, and what modifies the meaning of the others."""
    return ALWAYS | {
        name for name, row in properties_of(type).items() if row.element.min or row.element.modifier
    }


@lru_cache(maxsize=256)
def _asked_for(type: str, elements: tuple[str, ...]) -> frozenset[str]:
    """The members that ``_elements`` names: ``value`` is every ``value[x]``, a path its first step."""
    asked = {element.removeprefix(f"{type}.").partition(".")[0] for element in elements}
    return frozenset(
        name
        for name, row in properties_of(type).items()
        if name in asked or row.element_name.removesuffix("[x]") in asked
    )


@cache
def _in_summary(type: str) -> Mapping[str, bool]:
    """The members of ``type`` that its summary shows → whether they are themselves to be cut."""
    return {
        name: TYPES[row.type].kind == "backbone" if row.type in TYPES else False
        for name, row in properties_of(type).items()
        if row.element.summary or name in _always(type)
    }


def _summarised(type: str, members: Members) -> Members:
    shown = _in_summary(type)
    kept: Members = {}
    for name, value in members.items():
        if name in ALWAYS:
            kept[name] = value
        elif shown.get(name):
            part = _cut(properties_of(type)[name].type, value)
            if part is not None:
                kept[name] = part
        elif name in shown or (name[:1] == "_" and name[1:] in shown):
            kept[name] = value
    return kept


def _cut(type: str, value: bytes | msgspec.Raw) -> bytes | None:
    """A backbone element, or an array of them, without what the summary leaves out; None where nothing is left."""
    text = bytes(value)
    if text[:1] == b"[":
        parts = [part for item in _list.decode(text) if (part := _cut(type, item)) is not None]
        return b"[" + b",".join(parts) + b"]" if parts else None
    kept = _summarised(type, members_of(text))
    return joined(kept) if kept else None


def _tagged(members: Members) -> Members:
    """The members with SUBSETTED among ``meta.tag``."""
    meta = members_of(members["meta"]) if "meta" in members else {}
    tags = bytes(meta["tag"])[1:-1].strip() if "tag" in meta else b""
    meta["tag"] = b"[" + (tags + b"," if tags else b"") + SUBSETTED + b"]"
    return {**members, "meta": joined(meta)}
