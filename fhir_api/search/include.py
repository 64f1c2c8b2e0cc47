"""``_include`` and ``_revinclude``: what matches refer to, and what refers to them.

https://hl7.org/fhir/R4/search.html#include. Matches themselves are never repeated, and what the caller may not see
is not there. With ``:iterate`` they are followed from what was included, too; as nothing comes twice, circles end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Issue
from fhir_api.search.criterion import invalid
from fhir_api.search.parameters import SearchParameters
from fhir_api.search.references import Key, references_of
from store.interface import Store, Version
from store.query import (
    NOTHING_MEETS,
    AnyOf,
    Condition,
    IdIn,
    Query,
    ReferenceIs,
    Visible,
    restricted,
)

TERMS = 100
"""How many references one query asks for: a store finds so many by its index."""


@dataclass(frozen=True, slots=True)
class Include:
    """References of ``source`` under these parameters, from (``_include``) or to (``reverse``) the matches.

    ``source`` None: of any type, under all its parameters. ``target`` None: whatever type they point at.
    ``iterate``: from what was included, too.
    """

    source: str | None
    codes: tuple[str, ...]
    target: str | None
    reverse: bool
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Included:
    """What the includes add to a page, each once, and a warning where there is more than the limit."""

    versions: tuple[Version, ...]
    warnings: tuple[Issue, ...] = ()


NO_INCLUDES = Included(())


def read_include(
    parameters: SearchParameters, types: Sequence[str], name: str, value: str
) -> Include:
    """Reads ``ImagingStudy:subject``, ``Task:focus:ImagingStudy``, ``Task:*`` or ``*``; ``types`` are the matches'.

    ``name`` is _include or _revinclude, with or without ':iterate'.

    Raises:
        FhirError: ``invalid`` where a part does not exist or could never find anything.
    """
    reverse, iterate = name.startswith("_revinclude"), name.endswith(":iterate")
    if value == "*":
        return Include(None, (), None, reverse, iterate)
    source, *rest = value.split(":")
    if source not in RESOURCE_TYPES or not 0 < len(rest) < 3:
        raise invalid(name, "it is Type:parameter or Type:parameter:TargetType")
    if not reverse and not iterate and source not in types:
        raise invalid(name, f"it starts at a match, which is a {' or '.join(types)}")
    target = rest[1] if len(rest) == 2 else None
    if target is not None and target not in RESOURCE_TYPES:
        raise invalid(name, "its target is no resource type")
    if reverse and not iterate and target is not None and target not in types:
        raise invalid(name, f"it points at a match, which is a {' or '.join(types)}")
    if rest[0] == "*":
        codes = parameters.references(source)
    else:
        parameter = parameters.of(source).get(rest[0])
        codes = (rest[0],) if parameter is not None and parameter.type == "reference" else ()
    if not codes:
        raise invalid(name, f"{source} has no such reference parameter")
    return Include(source, codes, target, reverse, iterate)


async def included(
    store: Store,
    parameters: SearchParameters,
    visible: Visible,
    matches: Sequence[Version],
    includes: Sequence[Include],
    base_url: str,
    limit: int,
) -> Included:
    """What the includes add to a page of matches: round by round, in each what is referred to before what refers.

    Args:
        store: where to look.
        parameters: which references there are.
        visible: what the caller sees of each type.
        matches: the page.
        includes: as asked for.
        base_url: absolute references below it are local ones.
        limit: the most to add.
    """
    adding = _Adding(store, parameters, visible, base_url, limit, {(m.type, m.id) for m in matches})
    following, frontier = tuple(includes), matches
    iterating = tuple(include for include in includes if include.iterate)
    while frontier and following and not adding.truncated:
        start = len(adding.found)
        await adding.referred_to(frontier, [i for i in following if not i.reverse])
        for include in following:
            if include.reverse:
                await adding.referring(frontier, include)
        following, frontier = iterating, adding.found[start:]
    return Included(tuple(adding.found), (_truncated(limit),) if adding.truncated else ())


def _truncated(limit: int) -> Issue:
    text = f"The includes would add more than {limit} resources: the others are left out. Ask for smaller pages."
    return Issue("warning", "too-costly", text, "http._include")


class _Adding:
    """What has been found so far."""

    def __init__(
        self,
        store: Store,
        parameters: SearchParameters,
        visible: Visible,
        base_url: str,
        limit: int,
        seen: set[Key],
    ) -> None:
        self._store = store
        self._parameters = parameters
        self._visible = visible
        self._base_url = base_url
        self._limit = limit
        self._seen = seen
        self._conditions: dict[str, tuple[Condition, ...]] = {}
        self.found: list[Version] = []
        self.truncated = False

    async def referred_to(self, frontier: Sequence[Version], includes: Sequence[Include]) -> None:
        keys = dict.fromkeys(
            key
            for include in includes
            for version in frontier
            for key in self._targets(version, include)
            if key not in self._seen and self._sees(key[0]) != NOTHING_MEETS
        )
        # What is not there counts, too: how much is looked at is bounded, not only how much is found.
        looked_at = list(keys)[: self._limit - len(self.found)]
        self.truncated |= len(looked_at) < len(keys)
        for version in await self._visible_of(looked_at):
            self._add(version)

    async def referring(self, frontier: Sequence[Version], include: Include) -> None:
        for target, versions in _by_type(frontier):
            if include.target not in (None, target):
                continue
            for source, codes in self._sources(include, target):
                if self._sees(source) == NOTHING_MEETS:
                    continue
                if include.source is None:
                    await asyncio.sleep(0)  # a hundred quick searches: others have their turn
                step = max(1, TERMS // len(codes))
                for start in range(0, len(versions), step):
                    refers = tuple(
                        ReferenceIs(code, target, version.id)
                        for version in versions[start : start + step]
                        for code in codes
                    )
                    await self._search(source, AnyOf(refers))

    async def _search(self, type: str, refers: AnyOf) -> None:
        if self.truncated:
            return
        where = restricted(type, (refers,), self._visible)
        # Those that were seen already may be among them, hence as many more.
        query = Query(type, where, limit=self._limit - len(self.found) + len(self._seen) + 1)
        for hit in (await self._store.search(query)).hits:
            if (hit.version.type, hit.version.id) not in self._seen:
                if len(self.found) == self._limit:
                    self.truncated = True
                    return
                self._add(hit.version)

    async def _visible_of(self, keys: list[Key]) -> list[Version]:
        """Those that are there and that the caller sees, in the order of the keys."""
        plain = [key for key in keys if not self._sees(key[0])]
        versions = await self._store.read_many(plain) if plain else []
        found = {(v.type, v.id): v for v in versions if v is not None and not v.deleted}
        for type in dict.fromkeys(type for type, _ in keys):
            if where := self._sees(type):
                ids = tuple(id for of, id in keys if of == type)
                query = Query(type, (IdIn(ids), *where), limit=len(ids))
                page = await self._store.search(query)
                found.update({(type, hit.version.id): hit.version for hit in page.hits})
        return [found[key] for key in keys if key in found]

    def _targets(self, version: Version, include: Include) -> Iterator[Key]:
        """The local resources that a version refers to by the include."""
        if include.source not in (None, version.type):
            return
        known = self._parameters.of(version.type)
        codes = include.codes if include.source else self._parameters.references(version.type)
        references = references_of(version.type, tuple(known[code] for code in codes))
        for type, id in references(version.content, self._base_url):
            if include.target in (None, type):
                yield type, id

    def _sources(self, include: Include, target: str) -> Iterable[tuple[str, tuple[str, ...]]]:
        """The types, with their parameters, that can refer to a ``target`` by a reverse include."""
        if include.source is not None:
            return [(include.source, include.codes)]
        return self._parameters.referring_to(target)

    def _sees(self, type: str) -> tuple[Condition, ...]:
        if type not in self._conditions:
            self._conditions[type] = self._visible(type)
        return self._conditions[type]

    def _add(self, version: Version) -> None:
        self._seen.add((version.type, version.id))
        self.found.append(version)


def _by_type(versions: Iterable[Version]) -> Iterable[tuple[str, list[Version]]]:
    groups: dict[str, list[Version]] = {}
    for version in versions:
        groups.setdefault(version.type, []).append(version)
    return groups.items()
