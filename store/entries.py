"""What a search can find a resource by: one frozen row per indexed value.

The façade extracts these from a resource when it is written; a backend stores them beside the version, in the
same transaction. ``param`` is the search parameter's code (``identifier``, ``birthdate``). Limits of what a row
can say follow the search parameter types of https://hl7.org/fhir/R4/search.html#ptypes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A code, identifier, boolean or contact point. ``system`` is None where the value has none."""

    param: str
    system: str | None
    code: str
    text: str = ""
    """Display or text, normalised like a string entry, for ``:text``. Empty: none."""


@dataclass(frozen=True, slots=True)
class StringEntry:
    """A piece of text. ``normalised`` is case-folded with accents and runs of space removed; ``exact`` as sent."""

    param: str
    normalised: str
    exact: str


@dataclass(frozen=True, slots=True)
class ReferenceEntry:
    """A reference. Local and typed: ``target_type`` and ``target_id``; anything else: ``url`` as it was sent.

    ``identifier`` holds ``system|value`` of a logical reference (``Reference.identifier``), for ``:identifier``.
    """

    param: str
    target_type: str | None = None
    target_id: str | None = None
    url: str | None = None
    identifier: str | None = None


@dataclass(frozen=True, slots=True)
class DateEntry:
    """The interval [low_us, high_us) in microseconds since 1970 UTC that a date, dateTime, instant, Period or Timing covers."""

    param: str
    low_us: int
    high_us: int


@dataclass(frozen=True, slots=True)
class NumberEntry:
    """A number, or the range [low, high] of one."""

    param: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuantityEntry:
    """A quantity or money: the value (or range) with its unit's system and code, and the unit as text."""

    param: str
    low: float
    high: float
    system: str | None
    code: str | None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class UriEntry:
    """A uri, url or canonical, as it was sent."""

    param: str
    uri: str


Entry = (
    TokenEntry | StringEntry | ReferenceEntry | DateEntry | NumberEntry | QuantityEntry | UriEntry
)
