"""``_include`` and ``_revinclude``: what matches refer to, and what refers to them.

https://hl7.org/fhir/R4/search.html#include. Matches themselves are never repeated, and what the caller may not read
is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from fhir_api.access import Caller, Forbidden, Interaction, decide
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Category, FhirError
from fhir_api.search.criterion import invalid, not_supported
from fhir_api.search.parameters import parameters_of
from fhir_api.search.references import Key, references_of
from store.interface import Store, Version
from store.query import AnyOf, Query, ReferenceIs

TERMS = 100
"""How many references one query asks for: a store finds so many by its index."""


@dataclass(frozen=True, slots=True)
class Include:
    """References of ``source`` under these parameters, from (``_include``) or to (``reverse``) the matches.

    ``target`` None: whatever type they point at.
    """

    source: str
    codes: tuple[str, ...]
    target: str | None
    reverse: bool


def read_include(type: str, name: str, value: str) -> Include:
    """Reads ``ImagingStudy:subject``, ``Task:focus:ImagingStudy``, ``Task:*`` or, forwards only, ``*``.

    Raises:
        FhirError: ``invalid`` where a part does not exist or could never find anything.
    """
    reverse = name == "_revinclude"
    if value == "*":
        if reverse:
            raise not_supported(name, "'*' would ask every type; name one, as in Observation:*")
        return Include(type, _references(type), None, reverse)
    source, *rest = value.split(":")
    if source not in RESOURCE_TYPES or not 0 < len(rest) < 3:
        raise invalid(name, "it is Type:parameter or Type:parameter:TargetType")
    if not reverse and source != type:
        raise invalid(name, f"it starts at a match, which is a {type}")
    target = rest[1] if len(rest) == 2 else None
    if target is not None and target not in RESOURCE_TYPES:
        raise invalid(name, "its target is no resource type")
    if reverse and target not in (None, type):
        raise invalid(name, f"it points at a match, which is a {type}")
    codes = _references(source) if rest[0] == "*" else (rest[0],)
    if not codes or not set(codes) <= set(_references(source)):
        raise invalid(name, f"{source} has no such reference parameter")
    return Include(source, codes, target, reverse)


async def included(
    store: Store,
    caller: Caller,
    matches: Sequence[Version],
    includes: Sequence[Include],
    base_url: str,
    limit: int,
) -> list[Version]:
    """What the includes add to a page of matches, each once, forward ones first.

    Raises:
        FhirError: ``too-costly``: there is more than ``limit``.
    """
    seen: set[Key] = {(match.type, match.id) for match in matches}
    found: list[Version] = []
    keys = _targets(matches, includes, base_url, seen, caller)
    _check(len(keys), limit)
    found += [v for v in await store.read_many(keys) if v is not None and not v.deleted]
    seen.update((version.type, version.id) for version in found)
    for include in includes:
        if include.reverse and _may_read(caller, include.source):
            await _add_referrers(store, matches, include, found, seen, limit)
    return found


async def _add_referrers(
    store: Store,
    matches: Sequence[Version],
    include: Include,
    found: list[Version],
    seen: set[Key],
    limit: int,
) -> None:
    step = max(1, TERMS // len(include.codes))
    for start in range(0, len(matches), step):
        refers = tuple(
            ReferenceIs(code, match.type, match.id)
            for match in matches[start : start + step]
            for code in include.codes
        )
        # Those that were seen already may be among them, hence as many more.
        query = Query(include.source, (AnyOf(refers),), limit=limit + len(seen) + 1)
        for hit in (await store.search(query)).hits:
            key = (hit.version.type, hit.version.id)
            if key not in seen:
                seen.add(key)
                found.append(hit.version)
        _check(len(found), limit)


def _check(count: int, limit: int) -> None:
    if count > limit:
        raise FhirError(
            Category.TOO_COSTLY,
            f"The includes would add more than {limit} resources: ask for smaller pages with _count.",
            "http._include",
        )


def _targets(
    matches: Sequence[Version],
    includes: Iterable[Include],
    base_url: str,
    seen: set[Key],
    caller: Caller,
) -> list[Key]:
    """The local resources that the matches refer to, in the order in which they do."""
    wanted: dict[Key, None] = {}
    for include in includes:
        if not include.reverse:
            references = references_of(include.source, include.codes)
            for match in matches:
                for type, id in references(match.content, base_url):
                    if include.target in (None, type):
                        wanted[type, id] = None
    readable = {type for type in {type for type, _ in wanted} if _may_read(caller, type)}
    return [key for key in wanted if key[0] in readable and key not in seen]


def _may_read(caller: Caller, type: str) -> bool:
    try:
        decide(caller, Interaction.READ, type)
    except Forbidden:
        return False
    return True


@cache
def _references(type: str) -> tuple[str, ...]:
    return tuple(p.code for p in parameters_of(type).values() if p.type == "reference")
