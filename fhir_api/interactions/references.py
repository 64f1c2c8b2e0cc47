"""Conditional references of a transaction: ``Patient?identifier=x`` becomes the one resource that it finds.

https://hl7.org/fhir/R4/http.html#trules: they are resolved last, so they see what the transaction creates, updates and
deletes. What it writes is not in the store yet: it is held against conditions of the kinds that identify (token, uri,
reference, id); by any other kind only what is stored is found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.interactions.conditional import find_matches
from fhir_api.interactions.links import conditional_references, replace_references
from fhir_api.interactions.write import draft
from fhir_api.search.extract import entries_of
from store.entries import Entry, ReferenceEntry, TokenEntry, UriEntry
from store.interface import Guard
from store.query import AllOf, AnyOf, Condition, IdIn, Not, ReferenceIs, TokenIs, UriIs, UriMatch


@dataclass(frozen=True, slots=True)
class Written:
    """A resource that the transaction writes, as it was sent, under the id that it gets; ``body`` None: it goes."""

    type: str
    id: str
    body: bytes | None


class ConditionalReferences:
    """Resolves the conditional references of one transaction, each condition once."""

    def __init__(
        self,
        api: Api,
        base_url: str,
        written: Iterable[Written],
        known: dict[tuple[str, str], str],
    ) -> None:
        self._api = api
        self._base_url = base_url
        self._written = tuple(written)
        self._known = dict(known)
        """(type, criteria) → id, of the conditions that entries themselves have."""
        self.guards: list[Guard] = []

    async def resolved(self, body: bytes) -> bytes:
        """The resource with its conditional references replaced.

        Raises:
            FhirError: one of them finds none or several (412).
        """
        conditional = conditional_references(body)
        if not conditional:
            return body
        targets = {
            text: f"{type}/{await self._id(type, criteria)}" for text, type, criteria in conditional
        }
        return replace_references(body, targets)

    async def _id(self, type: str, criteria: str) -> str:
        if (type, criteria) not in self._known:
            self._known[type, criteria] = await self._find(type, criteria)
        return self._known[type, criteria]

    async def _find(self, type: str, criteria: str) -> str:
        ours = {written.id: written.body for written in self._written if written.type == type}
        limit = len(ours) + 2
        matches = await find_matches(self._api, type, criteria, self._base_url, limit=limit)
        found = [version.id for version in matches.versions if version.id not in ours]
        for id, body in ours.items():
            if body is not None and self._is_met(matches.guard.where, type, id, body):
                found.append(id)
        if len(found) != 1:
            category = Category.MULTIPLE_MATCHES if found else Category.PRECONDITION
            how_many = "several resources" if found else "nothing"
            raise FhirError(category, f"A conditional reference to {type} finds {how_many}.")
        self.guards.append(matches.guard)
        return found[0]

    def _is_met(self, where: tuple[Condition, ...], type: str, id: str, body: bytes) -> bool:
        try:
            tree = draft(self._api, type, body).tree
        except FhirError:
            return False  # refused in its own place
        added = self._api.search_parameters.active.added(type)
        return _meets_all(where, id, entries_of(type, tree, self._base_url, added))


class _CannotTell(Exception):
    """A condition of a kind that only a store answers."""


def _meets_all(where: tuple[Condition, ...], id: str, entries: tuple[Entry, ...]) -> bool:
    try:
        return all(_meets(condition, id, entries) for condition in where)
    except _CannotTell:
        return False


def _meets(condition: Condition, id: str, entries: tuple[Entry, ...]) -> bool:
    match condition:
        case AllOf(parts):
            return all(_meets(part, id, entries) for part in parts)
        case AnyOf(parts):
            return any(_meets(part, id, entries) for part in parts)
        case Not(part):
            return not _meets(part, id, entries)
        case IdIn(ids):
            return id in ids
        case TokenIs(param, system, code):
            return any(
                isinstance(entry, TokenEntry)
                and entry.param == param
                and (system is None or (entry.system or "") == system)
                and (code is None or entry.code == code)
                for entry in entries
            )
        case UriIs(param, UriMatch.EXACT, uri):
            return any(
                isinstance(entry, UriEntry) and (entry.param, entry.uri) == (param, uri)
                for entry in entries
            )
        case ReferenceIs(param, type, target_id, url, identifier):
            return any(
                isinstance(entry, ReferenceEntry)
                and entry.param == param
                and (type is None or entry.target_type == type)
                and (target_id is None or entry.target_id == target_id)
                and (url is None or entry.url == url)
                and (identifier is None or entry.identifier == identifier)
                for entry in entries
            )
    raise _CannotTell
