"""The search parameters of R4 (https://hl7.org/fhir/R4/searchparameter-registry.html), and those added to them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import msgspec

from fhir_api.definitions.elements import RESOURCE_TYPES, TABLES, TYPES

_ONLY_TYPE = re.compile(r"resolve\(\) is ([A-Z][A-Za-z]+)\)$")

EXTRACTION = "3"
"""Raise it with every change after which the same resource has other entries: a store that was written before then
counts as outdated, and ``$reindex`` brings it up to date."""

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
        components: of a composite, whose ``expression`` leads to the elements that hold all of them.
        united: other parameters of the type whose elements are, all together, those of this one (``combo-code`` is
            ``code`` and ``component-code``): they are asked in its place, and it has no entries.
    """

    code: str
    type: str
    targets: tuple[str, ...]
    expression: str
    url: str
    base: str
    components: tuple[Component, ...] = ()
    united: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a composite: ``expression`` starts at the composite's element, or at ``%resource``."""

    type: str
    expression: str


class _ComponentRow(msgspec.Struct, frozen=True):
    definition: str
    expression: str


class _Row(msgspec.Struct, frozen=True):
    id: str
    type: str
    expression: str = ""
    targets: tuple[str, ...] = ()
    components: tuple[_ComponentRow, ...] = ()


_TABLE = msgspec.json.decode(
    (TABLES / "search_parameters.json").read_bytes(), type=dict[str, dict[str, _Row]]
)


_UNITED_TYPES = frozenset({"token", "string", "quantity", "composite"})
"""Not references, whose entries are also read by the parameter that an include names."""

_TYPES = {row.id: row.type for rows in _TABLE.values() for row in rows.values()}
"""Id of a parameter → its type."""

_TYPES_OF_COMPONENTS = {
    # Its components name each other's definition: 'code' is the token and 'target' the reference.
    ("DocumentReference-relatesto", "code"): "token",
    ("DocumentReference-relation", "target"): "reference",
}
"""What R4 says wrongly of the type of a component."""


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


class SearchParameters:
    """What the types can be searched by: R4's parameters and those that were added. It never changes: where the added
    ones do, another takes its place.
    """

    def __init__(self, added: Iterable[SearchParameter] = ()) -> None:
        """Of several added with one code, the first one on a type counts."""
        self._by_base: dict[str, list[SearchParameter]] = {}
        for parameter in added:
            self._by_base.setdefault(parameter.base, []).append(parameter)
        self._added: dict[str, tuple[SearchParameter, ...]] = {
            type: tuple(here.values())
            for type in (RESOURCE_TYPES if self._by_base else ())
            if (here := self._added_on(type))
        }
        self._of = {
            type: MappingProxyType({**parameters_of(type), **{p.code: p for p in here}})
            for type, here in self._added.items()
        }
        self._editions = {
            type: f"{EXTRACTION}+{_digest(here)}" for type, here in self._added.items()
        }
        self._referring: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {}

    def of(self, type: str) -> Mapping[str, SearchParameter]:
        """Every parameter that ``type`` can be searched by. Raises KeyError where ``type`` is no resource type."""
        return self._of.get(type) or parameters_of(type)

    def added(self, type: str) -> tuple[SearchParameter, ...]:
        """Those of ``type`` that are not R4's."""
        return self._added.get(type, ())

    def types(self) -> Iterable[str]:
        """The types that have parameters which are not R4's."""
        return self._added.keys()

    def edition(self, type: str) -> str:
        """Names how entries of ``type`` are made: another text wherever they may differ."""
        return self._editions.get(type, EXTRACTION)

    def references(self, type: str) -> tuple[str, ...]:
        """The codes of the reference parameters of ``type``."""
        return tuple(p.code for p in self.of(type).values() if p.type == "reference")

    def referring_to(self, target: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The types with their reference parameters that can point at a ``target``."""
        if target not in self._referring:
            sources = [
                (type, tuple(c for c in self.references(type) if self._points(type, c, target)))
                for type in sorted(RESOURCE_TYPES)
            ]
            self._referring[target] = tuple((type, codes) for type, codes in sources if codes)
        return self._referring[target]

    def _points(self, type: str, code: str, target: str) -> bool:
        return target in (target_types(self.of(type)[code]) or (target,))

    def _added_on(self, type: str) -> dict[str, SearchParameter]:
        found: dict[str, SearchParameter] = {}
        base: str | None = type
        while base is not None:
            for parameter in self._by_base.get(base, ()):
                if parameter.code not in _defined(type):
                    found.setdefault(parameter.code, parameter)
            base = TYPES[base].base
        return found


def _digest(added: Iterable[SearchParameter]) -> str:
    rows = sorted((p.code, p.type, p.expression, p.targets) for p in added)
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


R4_PARAMETERS = SearchParameters()


def is_defined(type: str, code: str) -> bool:
    """Whether R4 has a parameter of that code on the type, searchable or not."""
    return code in _defined(type)


def target_types(parameter: SearchParameter) -> tuple[str, ...]:
    """The resource types that values of a reference parameter may point at. (): R4 does not say."""
    match = _ONLY_TYPE.search(parameter.expression)
    if match and "|" not in parameter.expression:
        return (match[1],)
    return tuple(type for type in parameter.targets if type in RESOURCE_TYPES)


@cache
def hierarchy_of(type: str) -> str | None:
    """The parameter by which resources of a type are part of one another; None: they are no hierarchy."""
    for code in ("partof", "part-of"):
        parameter = parameters_of(type).get(code)
        if parameter is not None and target_types(parameter) == (type,):
            return code
    return None


@cache
def _defined(type: str) -> dict[str, SearchParameter]:
    if type not in RESOURCE_TYPES:
        raise KeyError(type)
    bases: list[str] = []
    base: str | None = type
    while base is not None:
        bases.insert(0, base)
        base = TYPES[base].base
    defined = {
        code: SearchParameter(
            code=code,
            type=row.type,
            targets=row.targets,
            expression=row.expression,
            url=SEARCH_PARAMETER_URL + row.id,
            base=base,
            components=tuple(_component(component) for component in row.components),
        )
        for base in bases
        for code, row in _TABLE.get(base, {}).items()
    }
    united = {code: _united(one, defined.values()) for code, one in defined.items()}
    return defined | {code: replace(defined[code], united=of) for code, of in united.items() if of}


def _united(parameter: SearchParameter, others: Iterable[SearchParameter]) -> tuple[str, ...]:
    """``Observation | Observation.component`` is what two other composites look at, one each.

    Of two that look at the same elements, the one with the shorter name has the entries.
    """
    if parameter.type not in _UNITED_TYPES:
        return ()
    elements = set(parameter.expression.split(" | "))
    found: dict[str, set[str]] = {}
    for one in others:
        theirs = set(one.expression.split(" | "))
        is_alike = (one.type, one.components) == (parameter.type, parameter.components)
        shorter = (len(one.code), one.code) < (len(parameter.code), parameter.code)
        is_part = theirs < elements or (theirs == elements and shorter)
        if is_alike and is_part and one.expression:
            found[one.code] = theirs
    covered = {element for theirs in found.values() for element in theirs}
    return tuple(sorted(found)) if covered == elements else ()


def _component(row: _ComponentRow) -> Component:
    corrected = _TYPES_OF_COMPONENTS.get((row.definition, row.expression))
    return Component(corrected or _TYPES[row.definition], row.expression)


def _obstacle(parameter: SearchParameter) -> str | None:
    if parameter.type == "special":
        return "special parameters are not indexed"
    if not parameter.expression:
        return "R4 defines no expression for it"
    return None
