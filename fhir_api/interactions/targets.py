"""Which resource each writing entry of a transaction is about, before anything is written.

Conditions (``ifNoneExist``, ``PUT Patient?…``, ``DELETE Patient?…``) are answered by what is stored before the
transaction, without what it deletes: that is the state in which POST and PUT take effect
(https://hl7.org/fhir/R4/http.html#trules).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

import orjson

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.document import ID, members_of
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request
from fhir_api.interactions.conditional import check_preconditions, find_matches, require_if_match
from fhir_api.interactions.entries import Entry
from fhir_api.interactions.patch import patched_draft, require_there
from fhir_api.patches.read import patch_of_entry, read_patch
from fhir_api.roles import AUDIT
from fhir_api.visibility.conditions import DELETED, UPDATED
from fhir_api.visibility.judging import changeable
from fhir_api.visibility.writing import require_may_name
from store.interface import Guard, Version

Key = tuple[str, str]
"""(type, id)."""


class Action(Enum):
    WRITE = auto()
    DELETE = auto()
    NOTHING = auto()
    """A conditional create whose resource exists, a deletion of what is not there."""
    TWIN = auto()
    """The same conditional create as an entry before it: one resource for both."""


@dataclass(frozen=True, slots=True)
class Target:
    """What becomes of an entry. ``current`` is what is stored now, a deletion too."""

    entry: Entry
    action: Action
    id: str
    current: Version | None = None

    @property
    def key(self) -> Key:
        return self.entry.type, self.id

    @property
    def reference(self) -> str:
        return f"{self.entry.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Targets:
    """Every writing entry's target in the order of the Bundle, the guards they rest on, and the conditions asked:
    (type, criteria) → id.
    """

    targets: tuple[Target, ...]
    guards: tuple[Guard, ...]
    conditions: dict[tuple[str, str], str]


_INTERACTIONS = {
    "POST": Interaction.CREATE,
    "PUT": Interaction.UPDATE,
    "PATCH": Interaction.PATCH,
    "DELETE": Interaction.DELETE,
}


def check_entry(entry: Entry, request: Request) -> None:
    """Raises FhirError, naming the entry, where a transaction cannot do such a thing or the caller may not."""
    if entry.method in {"GET", "HEAD"}:
        return
    type = entry.type
    if type not in RESOURCE_TYPES:
        text = "The URL names no resource type of R4."
        raise entry.refused(Category.NOT_SUPPORTED, text, "request.url")
    if type == AUDIT:
        text = "AuditEvents are sent one by one, or in a batch."
        raise entry.refused(Category.NOT_SUPPORTED, text, "request.url")
    conditional = len(entry.path) == 1 and bool(entry.query)
    instance = len(entry.path) == 2 and ID.fullmatch(entry.path[1]) and not entry.query
    legal = len(entry.path) == 1 if entry.method == "POST" else conditional or instance
    if not legal:
        text = f"A transaction cannot {entry.method} this URL."
        raise entry.refused(Category.INVALID, text, "request.url")
    if entry.method != "DELETE" and entry.resource is None:
        raise entry.refused(Category.INVALID, "The entry has no resource.", "resource")
    if entry.resource and not entry.resource.startswith(b"{"):
        raise entry.refused(Category.STRUCTURE, "The resource is not a JSON object.", "resource")
    try:
        decide(request.caller, _INTERACTIONS[entry.method], type)
    except FhirError as error:
        raise error.within(f"{entry.place}.request") from error


class TargetFinder:
    """Finds the targets of one transaction; ``fresh`` ids stay the same however often it is decided."""

    def __init__(self, api: Api, request: Request, fresh: dict[int, str]) -> None:
        self._api = api
        self._request = request
        self._fresh = fresh
        self._guards: list[Guard] = []
        self._conditions: dict[tuple[str, str], str] = {}
        self._deleted: set[Key] = set()
        self._named: dict[Key, Version | None] = {}

    async def find(self, entries: list[Entry]) -> Targets:
        """The targets of the writing entries.

        Raises:
            FhirError: a condition is met by several, a precondition does not hold, one resource twice.
        """
        keys = [(entry.type, entry.path[1]) for entry in entries if len(entry.path) == 2]
        versions = await self._api.store.read_many(keys) if keys else []
        self._named = dict(zip(keys, versions, strict=True))
        found: dict[int, Target] = {}
        for method, of in (
            ("DELETE", self._deletion),
            ("POST", self._creation),
            ("PUT", self._update),
            ("PATCH", self._patch),
        ):
            for entry in entries:
                if entry.method != method:
                    continue
                try:
                    found[entry.index] = await of(entry)
                except FhirError as error:
                    raise error.within(f"{entry.place}.request") from error
        targets = tuple(found[index] for index in sorted(found))
        _require_each_once(targets)
        return Targets(targets, tuple(self._guards), self._conditions)

    async def _deletion(self, entry: Entry) -> Target:
        current = (
            _only(entry.type, await self._matches(entry.type, entry.query, 2))
            if entry.query
            else self._named[entry.type, entry.path[1]]
        )
        current = await self._changeable(current, DELETED, Interaction.DELETE)
        self._check(entry, current, None)
        if current is None or current.deleted:
            id = current.id if current else entry.path[-1]
            return Target(entry, Action.NOTHING, id, current)
        self._deleted.add((entry.type, current.id))
        return Target(entry, Action.DELETE, current.id, current)

    async def _creation(self, entry: Entry) -> Target:
        fresh = self._fresh[entry.index]
        if entry.if_none_exist is None:
            return Target(entry, Action.WRITE, fresh)
        condition = (entry.type, entry.if_none_exist)
        if condition in self._conditions:
            return Target(entry, Action.TWIN, self._conditions[condition])
        existing = await self._match(*condition)
        self._conditions[condition] = existing.id if existing else fresh
        if existing:
            return Target(entry, Action.NOTHING, existing.id, existing)
        return Target(entry, Action.WRITE, fresh)

    async def _update(self, entry: Entry) -> Target:
        sent = _id_of(entry)
        if not entry.query:
            id = entry.path[1]
            if sent != id:
                text = "The id of the resource is not the one of the URL."
                raise FhirError(Category.INVALID, text)
            current = await self._changeable(
                self._named[entry.type, id], UPDATED, Interaction.UPDATE
            )
            if current is None or current.deleted:
                require_may_name(self._api, self._request.caller, entry.type)
        else:
            current = await self._match(entry.type, entry.query)
            await self._changeable(current, UPDATED, Interaction.UPDATE)
            if current is None and sent:
                require_may_name(self._api, self._request.caller, entry.type)
            id = current.id if current else sent or self._fresh[entry.index]
            if current and sent not in {None, id}:
                text = "The id of the resource is not the one that the condition finds."
                raise FhirError(Category.INVALID, text)
            if current is None:
                current = await self._api.store.read(entry.type, id)
                if current and not current.deleted:
                    text = "The condition is not met by the resource with this id, which is there."
                    raise FhirError(Category.CONFLICT, text)
            self._conditions[entry.type, entry.query] = id
        self._check(entry, current, entry.if_none_match)
        return Target(entry, Action.WRITE, id, current)

    async def _patch(self, entry: Entry) -> Target:
        """As an update with what the patch makes of the stored resource."""
        assert entry.resource is not None
        found = (
            await self._match(entry.type, entry.query)
            if entry.query
            else self._named[entry.type, entry.path[1]]
        )
        found = await self._changeable(found, UPDATED, Interaction.PATCH)
        current = require_there(found, entry.type)
        self._check(entry, current, None)
        change = read_patch(self._api, *patch_of_entry(entry.resource))
        resource = await patched_draft(self._api, change, current)
        return Target(replace(entry, resource=resource.body), Action.WRITE, current.id, current)

    async def _changeable(
        self, current: Version | None, letters: frozenset[str], interaction: Interaction
    ) -> Version | None:
        return await changeable(self._api, self._request.caller, current, letters, interaction)

    def _check(self, entry: Entry, current: Version | None, if_none_match: str | None) -> None:
        check_preconditions(current, entry.if_match, if_none_match, entry.type)
        if not entry.query:
            caller = self._request.caller
            require_if_match(self._api, caller, current, entry.if_match, entry.type)

    async def _match(self, type: str, criteria: str) -> Version | None:
        """The one match that the transaction does not delete."""
        gone = sum(1 for deleted, _ in self._deleted if deleted == type)
        matches = await self._matches(type, criteria, gone + 2)
        return _only(type, [v for v in matches if (type, v.id) not in self._deleted])

    async def _matches(self, type: str, criteria: str, limit: int) -> list[Version]:
        caller, base_url = self._request.caller, self._request.base_url
        matches = await find_matches(self._api, caller, type, criteria, base_url, limit=limit)
        if len(matches.versions) < limit:
            self._guards.append(matches.guard)
        return list(matches.versions)


def _only(type: str, matches: list[Version]) -> Version | None:
    if len(matches) > 1:
        text = f"The condition on {type} is met by several resources."
        raise FhirError(Category.MULTIPLE_MATCHES, text)
    return matches[0] if matches else None


def _id_of(entry: Entry) -> str | None:
    assert entry.resource is not None
    raw = members_of(entry.resource).get("id")
    text = bytes(raw) if raw is not None else b""
    return orjson.loads(text) if text.startswith(b'"') else None


def _require_each_once(targets: tuple[Target, ...]) -> None:
    seen: set[Key] = set()
    for target in targets:
        if target.action not in {Action.WRITE, Action.DELETE}:
            continue
        if target.key in seen:
            text = "Another entry of the transaction is about the same resource."
            raise target.entry.refused(Category.INVALID, text)
        seen.add(target.key)
