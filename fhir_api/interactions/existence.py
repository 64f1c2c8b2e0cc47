"""Whether what a resource refers to is there, where the deployment or the caller's grants ask for that.

A server may refuse a reference to what it does not have (https://hl7.org/fhir/R4/references.html#literal). What the
same commit writes is there; a Bundle's entries refer to each other, so a stored Bundle is not looked into.

Who writes in the context of a patient may refer to that patient's resources and to what is shared, and to nothing
else: what is another's and what is not there are refused alike. Else an app could have another patient's study
analysed, or be shown another's Binary because something of its own links to it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

import orjson

from fhir_api.access import Caller, grants_of
from fhir_api.api import Api
from fhir_api.errors import Category, FhirError, Issue
from fhir_api.http import Request
from fhir_api.interactions.write import Decision
from fhir_api.patient_policy import Policy, policy_of
from fhir_api.search.reference_target import target_of
from fhir_api.visibility.binaries import is_shown
from fhir_api.visibility.conditions import of_patient
from store.interface import Commit
from store.query import IdIn, Query

T = TypeVar("T")
Decide = Callable[[], Awaitable[Decision[T]]]
Key = tuple[str, str]
Link = tuple[str, str]
"""Where a resource says something that leads elsewhere (a FHIRPath), and what it says."""

MOST_LISTED = 20

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_BINARY: Final = re.compile(r"(?:^|/)Binary(?:/|$)")


def with_existing_targets(api: Api, request: Request, decide: Decide[T]) -> Decide[T]:
    """``decide``, whose commit is refused where it would leave a reference on this server without its target, or with
    one that is not for the caller to refer to.
    """
    scoped = request.caller.scopes is not None
    if not api.options.references_must_exist and not scoped:
        return decide

    async def decided() -> Decision[T]:
        decision = await decide()
        if decision.commit is not None:
            if scoped:
                await _require_own_targets(api, decision.commit, request)
            if api.options.references_must_exist:
                await _require_targets(api, decision.commit, request.base_url)
        return decision

    return decided


async def _require_targets(api: Api, commit: Commit, base_url: str) -> None:
    """Raises FhirError (422) that names each reference without a target."""
    wanted: dict[Key, str] = {}
    for write in commit.writes:
        if write.content and write.type != "Bundle":
            for place, literal in _links(orjson.loads(write.content), write.type, "reference"):
                target = target_of(literal, base_url)
                if target is not None and target.type is not None and target.id is not None:
                    wanted.setdefault((target.type, target.id), place)
    there = {(write.type, write.id) for write in commit.writes if write.content}
    gone = {(write.type, write.id) for write in commit.writes if not write.content}
    asked = [key for key in wanted if key not in there]
    stored = dict(zip(asked, await api.store.read_many(asked), strict=True))
    missing = [key for key, found in stored.items() if not found or found.deleted or key in gone]
    _refuse([wanted[key] for key in missing])


async def _require_own_targets(api: Api, commit: Commit, request: Request) -> None:
    """Raises FhirError (422) that names each reference out of the context of the patient in which the caller writes."""
    there = {(write.type, write.id) for write in commit.writes if write.content}
    outside: list[str] = []
    wanted: dict[str, dict[Key, list[str]]] = {}
    for write in commit.writes:
        patient = _writes_for(request.caller, write.type) if write.content else ""
        if not patient:
            continue
        keys = wanted.setdefault(patient, {})
        tree = orjson.loads(write.content)
        for place, literal in _links(tree, write.type, "reference"):
            key = _key_of(literal, request.base_url)
            if key is None:
                outside.append(place)
            elif key[0] and key not in there:
                keys.setdefault(key, []).append(place)
        for place, url in _links(tree, write.type, "url"):
            if _BINARY.search(url):
                key = _key_of(url, request.base_url)
                if key is None or not key[0]:
                    outside.append(place)
                elif key not in there:
                    keys.setdefault(key, []).append(place)
    for patient, keys in wanted.items():
        for key in await _not_of(api, request.caller, patient, keys):
            outside += keys[key]
    _refuse(outside)


def _writes_for(caller: Caller, type: str) -> str:
    """The patient in whose context a caller writes a type; '': in none."""
    grants = [grant for grant in grants_of(caller, type) if grant.letters & frozenset("cu")]
    return "" if any(not grant.patient for grant in grants) else grants[0].patient


def _key_of(literal: str, base_url: str) -> Key | None:
    """The resource here that a text means; ('', ''): something that is nobody's here; None: who could tell."""
    nothing = ("", "")
    target = target_of(literal, base_url)
    if target is None:
        return nothing
    if target.type is not None:
        if policy_of(target.type) is Policy.SHARED:
            return nothing
        return (target.type, target.id) if target.id is not None else None
    return nothing if _ABSOLUTE.match(literal) else None


async def _not_of(api: Api, caller: Caller, patient: str, keys: dict[Key, list[str]]) -> list[Key]:
    """Those that are not of the patient, not there, or not for an app to know of."""
    found: set[Key] = set()
    for type in {type for type, _ in keys}:
        ids = tuple(id for of, id in keys if of == type)
        if type == "Binary":
            found |= {("Binary", id) for id in ids if await _is_own_binary(api, patient, id)}
            continue
        where = () if _sees_all(caller, type) else of_patient(patient, type)
        page = await api.store.search(Query(type, (IdIn(ids), *where), limit=len(ids)))
        found |= {(type, hit.version.id) for hit in page.hits}
    return [key for key in keys if key not in found]


def _sees_all(caller: Caller, type: str) -> bool:
    return any(
        not grant.patient and not grant.where and grant.letters & frozenset("rs")
        for grant in grants_of(caller, type)
    )


async def _is_own_binary(api: Api, patient: str, id: str) -> bool:
    binary = await api.store.read("Binary", id)
    if binary is None or binary.deleted:
        return False
    return await is_shown(api, binary, patient, partial(of_patient, patient))


def _refuse(places: list[str]) -> None:
    if places:
        text = "What this refers to is not on this server."
        issues = [Issue("error", "not-found", text, place) for place in places[:MOST_LISTED]]
        raise FhirError(Category.UNPROCESSABLE, text, issues=issues)


def _links(tree: dict[str, Any], type: str, member: str) -> Iterator[Link]:
    """Every text that stands under ``member`` somewhere in the resource."""
    waiting: list[tuple[str, Any]] = [(type, tree)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(f"{place}[{at}]", item) for at, item in enumerate(value)]
        elif isinstance(value, dict):
            waiting += [(f"{place}.{name}", item) for name, item in value.items()]
            literal = value.get(member)
            if isinstance(literal, str):
                yield f"{place}.{member}", literal
