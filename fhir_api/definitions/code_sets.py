"""The codes that required bindings allow, read from the generated table (https://hl7.org/fhir/R4/terminologies.html).

Three ValueSets have no list, because their code system is a grammar: MIME types, UCUM and, where a binding names it,
a LOINC answer list that the R4 package does not define. Those are ``open``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from fhir_api.definitions.elements import TABLES


class CodeSet(msgspec.Struct, frozen=True):
    """The codes of a ValueSet by system, or why they cannot be listed."""

    systems: dict[str, tuple[str, ...]] = {}
    open: str | None = None
    system: str | None = None
    """Of an open code set: the system its codes are from, where there is one."""


_TABLE = msgspec.json.decode((TABLES / "code_sets.json").read_bytes(), type=dict[str, CodeSet])


def code_set(url: str) -> CodeSet:
    """The code set of a ValueSet that some element of R4 requires. Raises KeyError for any other."""
    return _TABLE[url]


@cache
def systems_of(url: str) -> Mapping[str, str]:
    """Code → its system, for the codes that stand in one system of the ValueSet only."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for system, codes in _TABLE[url].systems.items():
        twice.update(code for code in codes if code in found)
        found.update(dict.fromkeys(codes, system))
    return {code: system for code, system in found.items() if code not in twice}
