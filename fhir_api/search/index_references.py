"""How references become index entries (https://hl7.org/fhir/R4/search.html#reference).

``params`` here are pairs: a parameter's code, and the type that its ``where(resolve() is Patient)`` asks for or None.
"""

from __future__ import annotations

from typing import TypeAlias

from fhir_api.search.index_values import Add, Json
from fhir_api.search.reference_target import target_of
from store.entries import ReferenceEntry

ReferenceParams: TypeAlias = tuple[tuple[str, str | None], ...]


def reference(add: Add, params: ReferenceParams, value: Json, base_url: str) -> None:
    """A Reference: by what its text points at, and by its identifier. One into ``contained`` is not indexed."""
    literal = value.get("reference")
    target = target_of(literal, base_url) if type(literal) is str else None
    identifier = _identifier(value.get("identifier"))
    if target is None:
        if identifier is None:
            return
        type_, id_, url = value.get("type"), None, None
    else:
        type_, id_, url = target.type or value.get("type"), target.id, target.url
    target_type = type_ if id_ is not None else None
    for param, wanted in params:
        if wanted is None or wanted == type_:
            add(ReferenceEntry(param, target_type, id_, url, identifier))


def canonical(add: Add, params: ReferenceParams, value: str, base_url: str) -> None:
    """A canonical or uri that is searched as a reference: with its version and without."""
    url, bar, _ = value.partition("|")
    target = target_of(url, base_url)
    if target is None:
        return
    for param, _wanted in params:
        if target.url is None:
            add(ReferenceEntry(param, target.type, target.id))
            continue
        add(ReferenceEntry(param, url=url))
        if bar:
            add(ReferenceEntry(param, url=value))


def inner_resource(add: Add, params: ReferenceParams, value: Json, _base_url: str) -> None:
    """A resource inside a Bundle, as if it were referred to by its type and id."""
    type_, id_ = value.get("resourceType"), value.get("id")
    for param, wanted in params:
        if type_ == wanted and type(id_) is str:
            add(ReferenceEntry(param, wanted, id_))


def _identifier(value: object) -> str | None:
    if type(value) is not dict:
        return None
    number, system = value.get("value"), value.get("system")
    if type(number) is not str:
        return None
    return f"{system if type(system) is str else ''}|{number}"
