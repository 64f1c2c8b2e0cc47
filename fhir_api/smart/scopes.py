"""The scopes that grant access to resources: SMART v1 (``patient/Observation.read``) and v2 (``user/Patient.rs``).

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import parse_qsl, quote

from fhir_api.definitions.elements import RESOURCE_TYPES

ANY_TYPE = "*"
MOST_RESTRICTIONS = 16
"""Search parameters of one scope."""

_RESOURCE_SCOPE = re.compile(
    r"(patient|user|system)/([A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?)(\?.*)?", re.DOTALL
)
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
"""https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources-smart-v1"""


class Level(StrEnum):
    """Of what a scope speaks: of the patient in context, of what the user may do, or of what the service may do."""

    PATIENT = "patient"
    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """One scope that grants access to resources. ``str()`` is its v2 spelling.

    Attributes:
        level: patient, user or system.
        type: a resource type, or '*'.
        interactions: letters of 'cruds': create; read, vread and history of one resource; update and patch; delete;
            search, and history of a type or of all.
        where: names and values of search parameters, percent-decoded, that a resource has to meet besides.
    """

    level: Level
    type: str
    interactions: frozenset[str]
    where: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        letters = "".join(letter for letter in "cruds" if letter in self.interactions)
        pairs = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in self.where)
        return f"{self.level}/{self.type}.{letters}{'?' if pairs else ''}{pairs}"


def resource_scopes(text: str) -> tuple[ResourceScope, ...]:
    """The scopes of a token (RFC 6749 §3.3) that grant access to resources, each once, in order.

    ``openid``, ``launch/patient`` and whatever else is not understood are left out: they grant nothing here.
    """
    found = (resource_scope(word) for word in text.split(" "))
    return tuple(dict.fromkeys(scope for scope in found if scope is not None))


@lru_cache(maxsize=4096)
def resource_scope(word: str) -> ResourceScope | None:
    """What one scope grants; None where it is not about resources or is not understood in full."""
    match = _RESOURCE_SCOPE.fullmatch(word)
    if match is None:
        return None
    level, type, actions, restriction = match.groups()
    if type != ANY_TYPE and type not in RESOURCE_TYPES:
        return None
    letters = _V1.get(actions, actions)
    where: tuple[tuple[str, str], ...] = ()
    if restriction is not None:
        if actions in _V1:
            return None  # v1 knows no restrictions: whoever wrote it meant something that we do not know
        where = _restriction(restriction[1:])
        if not where:
            return None
    return ResourceScope(Level(level), type, frozenset(letters), where) if letters else None


def _restriction(query: str) -> tuple[tuple[str, str], ...]:
    """The parameters; () where they are not ``name=value`` with '&' between: an empty value would restrict nothing."""
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_RESTRICTIONS,
        )
    except ValueError:
        return ()
    return tuple(pairs) if all(name and value.strip() for name, value in pairs) else ()


def _quoted(text: str) -> str:
    """Only what a scope (RFC 6749 §3.3) or a query cannot hold is escaped: ``category=http://loinc.org|1`` stays legible."""
    return quote(text, safe="/:|,.$()!*'-_~;@")
