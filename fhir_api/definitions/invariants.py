"""The invariants of R4's types, read from the generated table; those on every element or resource are not in it."""

from __future__ import annotations

import msgspec

from fhir_api.definitions.elements import TABLES


class Invariant(msgspec.Struct, frozen=True):
    """A condition that an element must meet, in FHIRPath, with the sentence that R4 says it in."""

    key: str
    text: str
    expression: str
    severity: str = "error"


_TABLE = msgspec.json.decode(
    (TABLES / "invariants.json").read_bytes(), type=dict[str, tuple[Invariant, ...]]
)


def invariants_of(path: str) -> tuple[Invariant, ...]:
    """The invariants of a type (``Observation``, ``Timing.repeat``) or of an element (``Organization.telecom``)."""
    return _TABLE.get(path, ())
