"""Whether what a resource refers to is there, where the deployment or the caller's grants ask for that.

A server may refuse a reference to what it does not have (https://hl7.org/fhir/R4/references.html#literal). What the
same commit writes is there; a Bundle's entries refer to each other, so a stored Bundle is not looked into.

Who writes in the context of a patient may refer to that patient's resources and to what is shared, and to nothing
else: what is another's and what is not there are refused alike. Else an app could have another patient's study
analysed, or be shown another's Binary because something of its own links to it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
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
from fhir_api.visibility.conditions import SEEN, of_patient
from fhir_api.visibility.judging import sees
from store.interface import Commit, Write
from store.query import IdIn, Query

T = TypeVar("T")
Decide = Callable[[], Awaitable[Decision[T]]]
Key = tuple[str, str]
Link = tuple[str, str]
"""Where a resource says something that leads elsewhere (a FHIRPath), and what it says."""

MOST_LISTED = 20
MOST_TARGETS = 1000
"""That the writes of a caller who has scopes may lead to, all together."""

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
    caller = request.caller
    there = {(write.type, write.id) for write in commit.writes if write.content}
    outside: list[str] = []
    wanted: dict[str, dict[Key, list[str]]] = {}
    for write in commit.writes:
        if not write.content:
            continue
        patient = _writes_for(caller, write)
        if not patient and not _could_open_binaries(caller, write.type):
            continue
        for place, key in _keys(orjson.loads(write.content), write.type, request.base_url):
            if not patient and key is not None and key[0] != "Binary":
                continue
            if key is None:
                outside.append(place)
            elif key not in there:
                wanted.setdefault(patient, {}).setdefault(key, []).append(place)
    if sum(map(len, wanted.values())) > MOST_TARGETS:
        text = f"What an app writes refers to at most {MOST_TARGETS} other resources."
        raise FhirError(Category.TOO_COSTLY, text)
    for patient, keys in wanted.items():
        found = await _found(api, caller, patient, keys)
        outside += [place for key, places in keys.items() if key not in found for place in places]
    _refuse(outside)


def _writes_for(caller: Caller, write: Write) -> str:
    """The patient in whose context a caller writes; '': in none."""
    letter = "c" if write.method == "POST" else "u"
    grants = [grant for grant in grants_of(caller, write.type) if letter in grant.letters]
    if any(not grant.patient and not grant.where for grant in grants):
        return ""
    return next((grant.patient for grant in grants if grant.patient), "")


def _could_open_binaries(caller: Caller, type: str) -> bool:
    """Whether a link in a ``type`` could show the caller, or a worker for it, a Binary that it does not see."""
    if _sees_all(caller, "Binary"):
        return False
    return type == "Task" or any(grant.letters & SEEN for grant in grants_of(caller, "Binary"))


def _keys(tree: dict[str, Any], type: str, base_url: str) -> Iterator[tuple[str, Key | None]]:
    """Where the resource leads to something that may be a patient's, and to what; None: nobody can tell."""
    for place, literal in _links(tree, type, "reference"):
        if not _is_elsewhere(literal, base_url):
            yield place, _key_of(literal, base_url)
    for place, url in _links(tree, type, "url"):
        if _BINARY.search(url):
            yield place, _key_of(url, base_url)


def _is_elsewhere(literal: str, base_url: str) -> bool:
    """Whether it leads to what is contained, shared, or no resource at all."""
    target = target_of(literal, base_url)
    if target is None:
        return True
    if target.type is not None:
        return policy_of(target.type) is Policy.SHARED
    return _ABSOLUTE.match(literal) is not None


def _key_of(literal: str, base_url: str) -> Key | None:
    target = target_of(literal, base_url)
    if target is None or target.type is None or target.id is None:
        return None
    return target.type, target.id


async def _found(api: Api, caller: Caller, patient: str, keys: Iterable[Key]) -> set[Key]:
    """Those that are there and of the patient, or that the caller sees anyway."""
    found: set[Key] = set()
    for type in {type for type, _ in keys}:
        ids = tuple(id for of, id in keys if of == type)
        if type == "Binary" and not _sees_all(caller, type):
            found |= {("Binary", id) for id in ids if await _may_link(api, caller, patient, id)}
            continue
        where = () if _sees_all(caller, type) else of_patient(patient, type)
        page = await api.store.search(Query(type, (IdIn(ids), *where), limit=len(ids)))
        found |= {(type, hit.version.id) for hit in page.hits}
    return found


def _sees_all(caller: Caller, type: str) -> bool:
    return any(
        not grant.patient and not grant.where and grant.letters & SEEN
        for grant in grants_of(caller, type)
    )


async def _may_link(api: Api, caller: Caller, patient: str, id: str) -> bool:
    """Whether something of the patient ('': of anybody, as far as the caller sees) may link to the Binary."""
    binary = await api.store.read("Binary", id)
    if binary is None or binary.deleted:
        return False
    if not patient:
        return await sees(api, caller, binary, SEEN)
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
