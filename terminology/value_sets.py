"""Value sets: which codes a ValueSet holds (https://hl7.org/fhir/R4/valueset.html#compositions).

What cannot be told here, because a code system is not known, stays untold: ``Contents.has`` then answers None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from terminology.code_systems import CodeSystem, Concept
from terminology.grammars import GRAMMARS

FindCodeSystem = Callable[[str], CodeSystem | None]
FindContents = Callable[[str], "Contents"]
Include = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """The codes of a value set, as far as they can be told."""

    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """System → codes that are inside."""
    grammars: frozenset[str] = frozenset()
    """Systems of which all codes are inside, where a grammar and no list says what is a code."""
    untold: frozenset[str] = frozenset()
    """Systems of which further codes may be inside."""
    is_open: bool = False
    """Whether codes of any system may be inside: a part of the value set is not known here."""

    def has(self, system: str, code: str) -> bool | None:
        """Whether the code is inside. None: it cannot be told."""
        if code in self.codes.get(system, ()):
            return True
        if system in self.grammars and GRAMMARS[system](code):
            return True
        return None if self.is_open or system in self.untold else False

    def has_plain(self, code: str) -> bool | None:
        """As ``has``, of a code without its system: where the element's type is code, string or uri."""
        if any(code in codes for codes in self.codes.values()):
            return True
        if any(GRAMMARS[system](code) for system in self.grammars):
            return True
        return None if self.is_open or self.untold else False

    @property
    def systems(self) -> frozenset[str]:
        """Every system that a code inside can be of, as far as it can be told."""
        return self.grammars | self.untold | frozenset(self.codes)


UNKNOWN = Contents(is_open=True)


def contents_of(
    value_set: Mapping[str, Any], code_system: FindCodeSystem, contents: FindContents
) -> Contents:
    """What a valid ValueSet resource holds. ``contents`` answers for the value sets that it names.

    Without ``compose`` an expansion that the resource carries counts.
    """
    compose = value_set.get("compose")
    if compose is None:
        if "expansion" not in value_set:
            return UNKNOWN
        return Contents(_by_system(_expanded(value_set["expansion"].get("contains", ()))))
    inside = _union(_included(part, code_system, contents) for part in compose.get("include", ()))
    for part in compose.get("exclude", ()):
        inside = _without(inside, _included(part, code_system, contents))
    return inside


def _expanded(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    waiting = list(rows)
    while waiting:
        row = waiting.pop()
        if "code" in row and not row.get("abstract"):
            yield row.get("system", ""), row["code"]
        waiting += row.get("contains", ())


def _by_system(pairs: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    codes: dict[str, set[str]] = {}
    for system, code in pairs:
        codes.setdefault(system, set()).add(code)
    return {system: frozenset(found) for system, found in codes.items()}


def _included(part: Include, code_system: FindCodeSystem, contents: FindContents) -> Contents:
    """One ``include`` or ``exclude``: what its system part and all of its value sets have in common."""
    parts = [contents(url) for url in part.get("valueSet", ())]
    if "system" in part:
        parts.append(_of_system(part, code_system))
    if not parts:
        return UNKNOWN
    common = parts[0]
    for other in parts[1:]:
        common = _intersection(common, other)
    return common


def _of_system(part: Include, code_system: FindCodeSystem) -> Contents:
    url = part["system"]
    if "concept" in part:
        return Contents({url: frozenset(row["code"] for row in part["concept"])})
    system = code_system(url)
    filters = part.get("filter", ())
    if system is None:
        if url in GRAMMARS and not filters:
            return Contents(grammars=frozenset({url}))
        return Contents(untold=frozenset({url}))
    codes: frozenset[str] | None = system.codes
    for row in filters:
        kept = _filtered(system, row["property"], row["op"], row.get("value", ""))
        codes = None if codes is None or kept is None else codes & kept
    untold = frozenset() if system.is_complete and codes is not None else frozenset({url})
    return Contents({url: codes or frozenset()}, untold=untold)


def _filtered(system: CodeSystem, name: str, op: str, value: str) -> frozenset[str] | None:
    """The codes that pass a filter (https://hl7.org/fhir/R4/valueset-filter-operator.html); None: not known how."""
    if name in ("concept", "code"):
        match op:
            case "=":
                return frozenset({value}) & system.codes
            case "is-a":
                return system.below(value)
            case "descendent-of":
                return system.below(value) - {value}
            case "is-not-a":
                return system.codes - system.below(value)
            case "generalizes":
                return system.above(value)
    has = _PROPERTY_TESTS.get(op)
    if has is None:
        return None
    return frozenset(
        code for code in system.codes if has(_values(system.concepts[code], name), value)
    )


def _values(concept: Concept, name: str) -> tuple[str, ...]:
    if name == "parent":
        return concept.parents
    if name == "display":
        return (concept.display,) if concept.display else ()
    return tuple(
        str(value).lower() if isinstance(value, bool) else str(value)
        for value in concept.properties.get(name, ())
    )


_PROPERTY_TESTS: Mapping[str, Callable[[tuple[str, ...], str], bool]] = {
    "=": lambda values, wanted: wanted in values,
    "in": lambda values, wanted: not {w.strip() for w in wanted.split(",")}.isdisjoint(values),
    "not-in": lambda values, wanted: {w.strip() for w in wanted.split(",")}.isdisjoint(values),
    "exists": lambda values, wanted: bool(values) == (wanted == "true"),
}


def _union(parts: Iterable[Contents]) -> Contents:
    codes: dict[str, frozenset[str]] = {}
    grammars: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()
    is_open = False
    for part in parts:
        for system, found in part.codes.items():
            codes[system] = codes.get(system, frozenset()) | found
        grammars |= part.grammars
        untold |= part.untold
        is_open = is_open or part.is_open
    return Contents(codes, grammars, untold, is_open)


def _intersection(one: Contents, other: Contents) -> Contents:
    codes: dict[str, frozenset[str]] = {}
    untold: set[str] = set()
    for system in one.systems | other.systems:
        listed = one.codes.get(system, frozenset()) | other.codes.get(system, frozenset())
        verdicts = {code: _both(one.has(system, code), other.has(system, code)) for code in listed}
        codes[system] = frozenset(code for code, verdict in verdicts.items() if verdict)
        if None in verdicts.values() or (
            _may_have_more(one, system) and _may_have_more(other, system)
        ):
            untold.add(system)
    grammars = one.grammars & other.grammars
    return Contents(codes, grammars, frozenset(untold) - grammars, one.is_open and other.is_open)


def _may_have_more(part: Contents, system: str) -> bool:
    return part.is_open or system in part.untold or system in part.grammars


def _without(inside: Contents, outside: Contents) -> Contents:
    codes: dict[str, frozenset[str]] = {}
    untold = set(inside.untold)
    for system, found in inside.codes.items():
        verdicts = {code: outside.has(system, code) for code in found}
        codes[system] = frozenset(code for code, verdict in verdicts.items() if verdict is False)
        if None in verdicts.values():
            untold.add(system)
    grammars = frozenset(s for s in inside.grammars if s not in outside.systems)
    untold |= inside.grammars - grammars
    return Contents(codes, grammars, frozenset(untold), inside.is_open)


def _both(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001 - three values
    if one is False or other is False:
        return False
    return True if one and other else None
