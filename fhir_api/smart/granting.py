"""What an app asks for, what of it the issuer can grant, and what was granted in the end.

The issuer knows a scope by its name and no other: it has no wildcards that contain others and no search restrictions
(``?category=…``). So it is asked for scopes of its own that contain what the app wants, and what it grants is cut down
to that again. Nothing is granted that the issuer has not granted to this app and user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from fhir_api.smart.scopes import ANY_TYPE, Level, ResourceScope, resource_scope

LAUNCH = "launch"
LAUNCH_PATIENT = "launch/patient"
LAUNCH_ENCOUNTER = "launch/encounter"
OFFLINE = "offline_access"
ONLINE = "online_access"
OURS = frozenset({LAUNCH, LAUNCH_PATIENT, LAUNCH_ENCOUNTER, ONLINE})
"""Scopes that mean something here, whether or not the issuer knows them."""


def asked_of_issuer(wanted: Iterable[str], known: frozenset[str]) -> tuple[str, ...]:
    """The issuer's scopes (of ``known``) that contain what is wanted; what none contains is left out.

    ``known`` empty: the issuer does not say what it knows, and is asked for just what is wanted.
    """
    asked: dict[str, None] = {}
    for word in wanted:
        scope = resource_scope(word)
        plain = word.partition("?")[0]
        if not known or plain in known:
            asked[plain] = None
        elif scope is not None:
            asked.update(dict.fromkeys(_containing(scope, known)))
    return tuple(asked)


def _containing(wanted: ResourceScope, known: frozenset[str]) -> Iterator[str]:
    """Scopes that contain ``wanted`` together: of its type, else of all; with its letters, else one a letter or more."""
    named = _by_subject(known)
    for type in (wanted.type, ANY_TYPE):
        candidates = named.get((wanted.level, type), ())
        exact = next((name for letters, name in candidates if letters == wanted.interactions), None)
        if exact is not None:
            yield exact
            return
        if wanted.interactions <= frozenset().union(*(letters for letters, _ in candidates)):
            for letter in sorted(wanted.interactions):
                yield next(name for letters, name in candidates if letter in letters)
            return


@lru_cache(maxsize=2)
def _by_subject(
    known: frozenset[str],
) -> dict[tuple[Level, str], tuple[tuple[frozenset[str], str], ...]]:
    """Level and type → letters and name of each scope there is: few letters first, of version 2 before version 1."""
    scopes = [
        (scope, name) for name in known if (scope := resource_scope(name)) and not scope.where
    ]
    scopes.sort(key=lambda pair: (len(pair[0].interactions), str(pair[0]) != pair[1], pair[1]))
    found: dict[tuple[Level, str], tuple[tuple[frozenset[str], str], ...]] = {}
    for scope, name in scopes:
        subject = (scope.level, scope.type)
        found[subject] = (*found.get(subject, ()), (scope.interactions, name))
    return found


def granted(wanted: Iterable[str], by_issuer: Iterable[str]) -> tuple[str, ...]:
    """What of ``wanted`` is granted where the issuer granted ``by_issuer``: never more than either says."""
    of_issuer = frozenset(by_issuer)
    ceilings = [scope for scope in map(resource_scope, of_issuer) if scope is not None]
    found: dict[str, None] = {}
    for word in wanted:
        scope = resource_scope(word)
        if scope is not None:
            found.update(dict.fromkeys(_cut(word, scope, ceilings)))
        elif word in of_issuer or word in OURS:
            found[word] = None
    return tuple(found)


def _cut(word: str, wanted: ResourceScope, ceilings: list[ResourceScope]) -> Iterator[str]:
    """The wanted scope as it was spelled where all of it is granted, else what of it is."""
    allowed: dict[str, set[str]] = {}
    for ceiling in ceilings:
        type = _common_type(wanted.type, ceiling.type)
        # A ceiling with a restriction of its own is not one of the issuer's; it contains what is restricted the same.
        if ceiling.level is wanted.level and type and set(ceiling.where) <= set(wanted.where):
            allowed.setdefault(type, set()).update(wanted.interactions & ceiling.interactions)
    if allowed.get(wanted.type, set()) == set(wanted.interactions):
        yield word
        return
    everywhere = allowed.get(ANY_TYPE, set())
    for type, letters in sorted(allowed.items()):
        if letters and (type == ANY_TYPE or not letters <= everywhere):
            yield str(ResourceScope(wanted.level, type, frozenset(letters), wanted.where))


def _common_type(one: str, other: str) -> str:
    """The type of which both speak; '': none."""
    if one == ANY_TYPE:
        return other
    return one if other in {ANY_TYPE, one} else ""
