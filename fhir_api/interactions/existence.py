"""Whether what a resource refers to is there, where the deployment asks for that.

A server may refuse a reference to what it does not have (https://hl7.org/fhir/R4/references.html#literal). What the
same commit writes is there; a Bundle's entries refer to each other, so a stored Bundle is not looked into.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import orjson

from fhir_api.api import Api
from fhir_api.errors import Category, FhirError, Issue
from fhir_api.interactions.write import Decision
from fhir_api.search.reference_target import target_of
from store.interface import Commit

T = TypeVar("T")
Decide = Callable[[], Awaitable[Decision[T]]]
Key = tuple[str, str]

MOST_LISTED = 20


def with_existing_targets(api: Api, base_url: str, decide: Decide[T]) -> Decide[T]:
    """``decide``, whose commit is refused where it would leave a reference on this server without its target."""
    if not api.options.references_must_exist:
        return decide

    async def decided() -> Decision[T]:
        decision = await decide()
        if decision.commit is not None:
            await _require_targets(api, decision.commit, base_url)
        return decision

    return decided


async def _require_targets(api: Api, commit: Commit, base_url: str) -> None:
    """Raises FhirError (422) that names each reference without a target."""
    wanted: dict[Key, str] = {}
    for write in commit.writes:
        if write.content and write.type != "Bundle":
            for place, key in _references(orjson.loads(write.content), write.type, base_url):
                wanted.setdefault(key, place)
    there = {(write.type, write.id) for write in commit.writes if write.content}
    gone = {(write.type, write.id) for write in commit.writes if not write.content}
    asked = [key for key in wanted if key not in there]
    stored = dict(zip(asked, await api.store.read_many(asked), strict=True))
    missing = [key for key, found in stored.items() if not found or found.deleted or key in gone]
    if missing:
        text = "What this refers to is not on this server."
        issues = [Issue("error", "not-found", text, wanted[key]) for key in missing[:MOST_LISTED]]
        raise FhirError(Category.UNPROCESSABLE, text, issues=issues)


def _references(tree: dict[str, Any], type: str, base_url: str) -> Iterator[tuple[str, Key]]:
    """Where the resource refers to something on this server, and to what."""
    waiting: list[tuple[str, Any]] = [(type, tree)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(f"{place}[{at}]", item) for at, item in enumerate(value)]
        elif isinstance(value, dict):
            waiting += [(f"{place}.{name}", item) for name, item in value.items()]
            literal = value.get("reference")
            target = target_of(literal, base_url) if isinstance(literal, str) else None
            if target is not None and target.type is not None and target.id is not None:
                yield f"{place}.reference", (target.type, target.id)
