"""The search parameters of R4, by resource type (https://hl7.org/fhir/R4/searchparameter-registry.html)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import msgspec

from fhir_api.definitions.elements import RESOURCE_TYPES, TABLES, TYPES

_ONLY_TYPE = re.compile(r"resolve\(\) is ([A-Z][A-Za-z]+)\)$")

SEARCH_PARAMETER_URL = "http://hl7.org/fhir/SearchParameter/"


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One way to search a resource type.

    Attributes:
        code: its name in a URL.
        type: token, string, reference, date, number, quantity or uri.
        targets: the resource types that a reference may point at.
        expression: FHIRPath of the values, the part that concerns ``base`` only.
        url: its canonical URL.
        base: the type that defines it: a resource type, ``DomainResource`` or ``Resource``.
    """

    code: str
    type: str
    targets: tuple[str, ...]
    expression: str
    url: str
    base: str


class _Row(msgspec.Struct, frozen=True):
    id: str
    type: str
    expression: str = ""
    targets: tuple[str, ...] = ()


_TABLE = msgspec.json.decode(
    (TABLES / "search_parameters.json").read_bytes(), type=dict[str, dict[str, _Row]]
)


@cache
def parameters_of(type: str) -> Mapping[str, SearchParameter]:
    """Every parameter that ``type`` can be searched by, with those of all resources (``_id``, ``_tag``, …).

    Left out is what ``not_searchable`` names. Raises KeyError where ``type`` is no resource type.
    """
    return MappingProxyType(
        {
            code: parameter
            for code, parameter in _defined(type).items()
            if _obstacle(parameter) is None
        }
    )


@cache
def not_searchable(type: str) -> Mapping[str, str]:
    """R4 parameters of ``type`` that no search can use here → why."""
    obstacles = {code: _obstacle(parameter) for code, parameter in _defined(type).items()}
    return MappingProxyType({code: why for code, why in obstacles.items() if why is not None})


def target_types(parameter: SearchParameter) -> tuple[str, ...]:
    """The resource types that values of a reference parameter may point at. (): R4 does not say."""
    match = _ONLY_TYPE.search(parameter.expression)
    if match and "|" not in parameter.expression:
        return (match[1],)
    return tuple(type for type in parameter.targets if type in RESOURCE_TYPES)


def _defined(type: str) -> dict[str, SearchParameter]:
    if type not in RESOURCE_TYPES:
        raise KeyError(type)
    bases: list[str] = []
    base: str | None = type
    while base is not None:
        bases.insert(0, base)
        base = TYPES[base].base
    return {
        code: SearchParameter(
            code=code,
            type=row.type,
            targets=row.targets,
            expression=row.expression,
            url=SEARCH_PARAMETER_URL + row.id,
            base=base,
        )
        for base in bases
        for code, row in _TABLE.get(base, {}).items()
    }


def _obstacle(parameter: SearchParameter) -> str | None:
    if parameter.type in ("composite", "special"):
        return f"{parameter.type} parameters are not indexed"
    if not parameter.expression:
        return "R4 defines no expression for it"
    return None
