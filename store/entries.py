"""What a search can find a resource by: one frozen row per indexed value.

The façade extracts these from a resource when it is written; a backend stores them beside the version, in the
same transaction. ``param`` is the search parameter's code (``identifier``, ``birthdate``). Limits of what a row
can say follow the search parameter types of https://hl7.org/fhir/R4/search.html#ptypes.

Structs, not dataclasses: a write makes dozens of them, and these are built and hashed in C and unknown to the
garbage collector (they hold texts and numbers only).
"""

from __future__ import annotations

import msgspec


class TokenEntry(msgspec.Struct, frozen=True, gc=False):
    """A code, identifier, boolean or contact point. ``system`` is None where the value has none."""

    param: str
    system: str | None
    code: str
    text: str = ""
    """Display or text, normalised like a string entry, for ``:text``. Empty: none."""
    identifying: bool = False
    """Hardly any two resources share it (an identifier, a phone number, a UID): a backend need not keep what has it
    in order of update. It changes the cost of a search and never its answer."""
    guarding: bool = False
    """What identifies and is what conditions of writes ask for (If-None-Exist by identifier): a backend that lets others
    wait for their place in the index does not let this one."""


class StringEntry(msgspec.Struct, frozen=True, gc=False):
    """A piece of text. ``normalised`` is case-folded with accents and runs of space removed; ``exact`` as sent."""

    param: str
    normalised: str
    exact: str


class ReferenceEntry(msgspec.Struct, frozen=True, gc=False):
    """A reference. Local and typed: ``target_type`` and ``target_id``; anything else: ``url`` as it was sent.

    ``identifier`` holds ``system|value`` of a logical reference (``Reference.identifier``), for ``:identifier``.
    """

    param: str
    target_type: str | None = None
    target_id: str | None = None
    url: str | None = None
    identifier: str | None = None


class DateEntry(msgspec.Struct, frozen=True, gc=False):
    """The interval [low_us, high_us) in microseconds since 1970 UTC that a date, dateTime, instant, Period or Timing covers."""

    param: str
    low_us: int
    high_us: int


class NumberEntry(msgspec.Struct, frozen=True, gc=False):
    """A number, or the range [low, high] of one."""

    param: str
    low: float
    high: float


class QuantityEntry(msgspec.Struct, frozen=True, gc=False):
    """A quantity or money: the value (or range) with its unit's system and code, and the unit as text."""

    param: str
    low: float
    high: float
    system: str | None
    code: str | None
    unit: str | None = None


class UriEntry(msgspec.Struct, frozen=True, gc=False):
    """A uri, url or canonical, as it was sent."""

    param: str
    uri: str


class CompositeEntry(msgspec.Struct, frozen=True, gc=False):
    """Two or three values that stand in one element: a token, then any but a uri, then a number.

    All entries of a ``param`` have parts of the same kinds; the parts' own ``param`` says nothing.
    """

    param: str
    parts: tuple[Part, ...]


Part = TokenEntry | StringEntry | ReferenceEntry | DateEntry | NumberEntry | QuantityEntry
Entry = Part | UriEntry | CompositeEntry
