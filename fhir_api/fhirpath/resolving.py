"""What ``resolve()`` can reach without leaving the document (https://hl7.org/fhir/R4/fhirpath.html#functions).

``#id`` names a contained resource; any other reference an entry of the Bundle around it, found as R4 lays down
(https://hl7.org/fhir/R4/bundle.html#references): an absolute one by its fullUrl, a relative one by the fullUrl that its
own entry's base makes of it, and where entries have no usable fullUrl, by type and id.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fhir_api.fhirpath.evaluation import Resolver
from fhir_api.fhirpath.nodes import Node, children_named

_TYPE_AND_ID: Final = re.compile(r"([A-Z][A-Za-z]{1,40})/([A-Za-z0-9\-.]{1,64})")
_REST_URL: Final = re.compile(r"(\S*/)[A-Z][A-Za-z]{1,40}/[A-Za-z0-9\-.]{1,64}")


def references_within(bundle: Node | None = None) -> Resolver:
    """A resolver for references to contained resources and, where there is one, to the entries of ``bundle``."""
    entries: dict[str, Node] = {}
    if bundle is not None and bundle.type == "Bundle":
        for entry in children_named(bundle, "entry"):
            for resource in children_named(entry, "resource"):
                for url in _urls(entry.value, resource.value):
                    entries.setdefault(url, resource)

    known: dict[int, dict[str, Node]] = {}
    """Identity of a resource's tree → what it contains, so that each is looked through once."""

    def contained(id_: str, source: Node) -> Node | None:
        holder = _holder_of(source)
        if holder is None or not id_:
            return holder
        inside = known.get(id(holder.value))
        if inside is None:
            inside = known[id(holder.value)] = _contained_in(holder)
        return inside.get(id_)

    def resolve(reference: str, source: Node) -> Node | None:
        if reference.startswith("#"):
            return contained(reference[1:], source)
        plain = reference.partition("/_history/")[0].partition("#")[0]
        if _TYPE_AND_ID.fullmatch(plain):
            base = _base_around(source)
            return entries.get(base + plain) or entries.get(plain)
        return entries.get(plain)

    return resolve


def _urls(entry: Any, resource: Any) -> list[str]:  # noqa: ANN401
    found = []
    full_url = entry.get("fullUrl") if type(entry) is dict else None
    if type(full_url) is str:
        found.append(full_url)
    if type(resource) is dict:
        type_, id_ = resource.get("resourceType"), resource.get("id")
        if type(type_) is str and type(id_) is str:
            found.append(f"{type_}/{id_}")
    return found


def _base_around(source: Node) -> str:
    """The base URL of the entry that ``source`` stands in: of ``http://h/fhir/Patient/1`` it is ``http://h/fhir/``."""
    node: Node | None = source
    while node is not None:
        if node.name == "entry" and type(node.value) is dict:
            url = node.value.get("fullUrl")
            match = _REST_URL.fullmatch(url) if type(url) is str else None
            return match[1] if match else ""
        node = node.parent
    return ""


def _holder_of(source: Node) -> Node | None:
    """The resource whose contained resources ``#id`` names at ``source``."""
    node: Node | None = source
    while node is not None:
        if type(node.value) is dict and "resourceType" in node.value and node.name != "contained":
            return node
        node = node.parent
    return None


def _contained_in(holder: Node) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for resource in children_named(holder, "contained"):
        id_ = resource.value.get("id") if type(resource.value) is dict else None
        if type(id_) is str:
            found.setdefault(id_, resource)
    return found
