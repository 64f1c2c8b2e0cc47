"""Whether a caller may see one version, told by that version's own content.

So what a resource said when it was another patient's stays hidden, and what it said when it was this patient's does
not. It costs a look at a few members of the JSON, not a search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import orjson

from fhir_api.access import Caller, Forbidden, Interaction, grants_of
from fhir_api.api import Api
from fhir_api.search.extract import entries_of
from fhir_api.search.internal_parameters import internal_parameters
from fhir_api.search.parameters import parameters_of
from fhir_api.search.partial import WITHOUT_DECIMALS, partial_extractor
from fhir_api.visibility.binaries import is_shown
from fhir_api.visibility.conditions import READ, SEEN, restriction_of, visible
from store.entries import Entry
from store.interface import Version
from store.matching import meets, parameters_in
from store.query import Condition

Entries = Callable[[bytes, str], tuple[Entry, ...]]


@dataclass(frozen=True, slots=True)
class _Judge:
    conditions: tuple[Condition, ...]
    entries: Entries
    """Those that the conditions look at."""


async def seen(
    api: Api, caller: Caller, version: Version | None, letters: frozenset[str] = READ
) -> Version | None:
    """The version where the caller may see it, else None: as if it had never been."""
    if caller.scopes is None or version is None:
        return version
    return version if await sees(api, caller, version, letters) else None


async def changeable(
    api: Api,
    caller: Caller,
    version: Version | None,
    letters: frozenset[str],
    interaction: Interaction,
) -> Version | None:
    """What is there and may be changed; None where nothing is, for all that the caller can know.

    Raises:
        Forbidden: it may be seen and not changed.
    """
    if caller.scopes is None or version is None or await sees(api, caller, version, letters):
        return version
    if await sees(api, caller, version, SEEN):
        raise Forbidden(caller, interaction, version.type, "", version.type)
    return None


async def sees(api: Api, caller: Caller, version: Version, letters: frozenset[str] = READ) -> bool:
    """Whether this version is one that the caller may do something with of what ``letters`` name.

    A deletion is judged by what was deleted. ``access.decide`` has answered for the type.
    """
    if version.type == "Binary" and caller.scopes is not None:
        return await _sees_binary(api, caller, version, letters)
    conditions = visible(api, caller, version.type, letters)
    if not conditions:
        return True
    if version.deleted:
        before = await api.store.read_version(version.type, version.id, version.version - 1)
        return before is not None and not before.deleted and _met(api, caller, before, conditions)
    return _met(api, caller, version, conditions)


def _met(api: Api, caller: Caller, version: Version, conditions: tuple[Condition, ...]) -> bool:
    # A restriction is the same object as long as it is the same, and most callers have one for a type.
    judge: _Judge | None = caller.compiled.get(("judge", version.type))
    if judge is None or judge.conditions is not conditions:
        judge = _Judge(conditions, _entries_for(version.type, conditions))
        caller.compiled["judge", version.type] = judge
    # References below the base that this deployment names are its own; what a client calls us decides nothing.
    entries = judge.entries(version.content, api.options.base_url)
    return meets(conditions, version.id, version.last_updated_us, entries)


def _entries_for(type: str, conditions: tuple[Condition, ...]) -> Entries:
    named = parameters_in(conditions)
    known = dict(parameters_of(type)) | {one.code: one for one in internal_parameters(type)}
    wanted = tuple(known[code] for code in sorted(named) if code in known)
    if not named:
        return lambda _content, _base_url: ()
    if len(wanted) == len(named) and all(one.type in WITHOUT_DECIMALS for one in wanted):
        extract = partial_extractor(type, wanted)
        return lambda content, base_url: tuple(extract(content, base_url))
    return lambda content, base_url: entries_of(type, orjson.loads(content), base_url)


async def _sees_binary(api: Api, caller: Caller, version: Version, letters: frozenset[str]) -> bool:
    """By the grants one by one: those of a patient reach what a resource stands for that the caller sees."""
    current = version
    if version.deleted:
        before = await api.store.read_version("Binary", version.id, version.version - 1)
        if before is None or before.deleted:
            return False
        current = before
    for grant in grants_of(caller, "Binary"):
        if not grant.letters & letters:
            continue
        if grant.where:
            conditions = restriction_of(api, "Binary", grant)
            entries = entries_of("Binary", orjson.loads(current.content), api.options.base_url)
            if not meets(conditions, current.id, current.last_updated_us, entries):
                continue
        sees_type = partial(visible, api, caller)
        if not grant.patient or await is_shown(api, current, grant.patient, sees_type):
            return True
    return False
