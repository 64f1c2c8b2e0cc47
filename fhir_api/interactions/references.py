"""Conditional references of a transaction: ``Patient?identifier=x`` becomes the one resource that it finds.

https://hl7.org/fhir/R4/http.html#trules: they are resolved last, so they see what the transaction creates, updates and
deletes. What it writes is not in the store yet: it is held against the conditions by its own entries; by a condition that
looks at other resources only what is stored is found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request
from fhir_api.interactions.conditional import find_matches
from fhir_api.interactions.links import conditional_references, replace_references
from fhir_api.interactions.write import draft
from fhir_api.search.extract import entries_of
from store.interface import Guard
from store.matching import CannotTell, meets
from store.query import Condition


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
        request: Request,
        written: Iterable[Written],
        known: dict[tuple[str, str], str],
    ) -> None:
        self._api = api
        self._request = request
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
        caller, base_url = self._request.caller, self._request.base_url
        matches = await find_matches(self._api, caller, type, criteria, base_url, limit=limit)
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
        entries = entries_of(type, tree, self._request.base_url, added)
        try:
            return meets(where, id, self._api.clock(), entries)
        except CannotTell:
            return False
