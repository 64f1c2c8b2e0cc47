"""Index entries → rows of the entry tables.

Rows of two sorts: those that are written at once, and all others, which may wait (``pending.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from store.entries import (
    CompositeEntry,
    DateEntry,
    Entry,
    NumberEntry,
    Part,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
)
from store.sqlite.names import NO_SYSTEM, Identifying, Kind, Names

IdentifyingRow = tuple[int, int, str, int]
Term = tuple[int, int, str, int, int]
Text = tuple[int, int, str, str]
Date = tuple[int, int, int, int]
Amount = tuple[int, int, float, float, int, str, str]
Second = tuple[str | int | float, str | int | float, int, str, str]
Composite = tuple[
    int, int, str, int, str | int | float, str | int | float, int, str, str, float, float
]


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Rows of several resources that may wait; each begins with the resource's number."""

    superseded: list[int]
    """The resources, deleted ones too, that may have other rows by now."""
    identifying: list[IdentifyingRow]
    """Of resources that had none before."""
    terms: list[Term]
    texts: list[Text]
    dates: list[Date]
    amounts: list[Amount]
    composites: list[Composite]


class EntryRows:
    """Rows of several resources, to be written together. An entry given twice makes one row."""

    def __init__(self) -> None:
        self.superseded: list[int] = []
        """Resources, deleted ones too, that had rows before."""
        self.identifying: dict[IdentifyingRow, None] = {}
        """Those that are written at once; of what is superseded, all."""
        self.waiting: dict[IdentifyingRow, None] = {}
        self.terms: dict[Term, None] = {}
        self.texts: dict[Text, None] = {}
        self.dates: dict[Date, None] = {}
        self.amounts: dict[Amount, None] = {}
        self.composites: dict[Composite, None] = {}

    def supersede(self, rid: int) -> None:
        """The resource had rows before."""
        self.superseded.append(rid)

    def add(
        self, names: Names, type: int, rid: int, updated: int, entries: Iterable[Entry]
    ) -> None:
        """Rows of a resource; it is superseded before, if it is."""
        is_new = not (self.superseded and self.superseded[-1] == rid)
        terms, texts, dates, amounts = self.terms, self.texts, self.dates, self.amounts
        composites = self.composites
        for entry in entries:
            if isinstance(entry, TokenEntry):
                pid = names.add_param(type, entry.param, Kind.TOKEN, _identifying(entry))
                system = NO_SYSTEM if not entry.system else names.add(entry.system)
                identifying = names.identifying(pid)
                if identifying is Identifying.NO:
                    terms[rid, pid, entry.code, system, updated] = None
                elif is_new and identifying is Identifying.WAITS:
                    self.waiting[rid, pid, entry.code, system] = None
                else:
                    self.identifying[rid, pid, entry.code, system] = None
                if entry.text:
                    pid = names.add_param(type, entry.param, Kind.TOKEN_TEXT)
                    texts[rid, pid, entry.text, ""] = None
            elif isinstance(entry, StringEntry):
                pid = names.add_param(type, entry.param, Kind.STRING)
                texts[rid, pid, entry.normalised, entry.exact] = None
            elif isinstance(entry, ReferenceEntry):
                for kind, code, target in _reference(entry):
                    pid = names.add_param(type, entry.param, kind)
                    system = NO_SYSTEM if target is None else names.add(target)
                    terms[rid, pid, code, system, updated] = None
            elif isinstance(entry, DateEntry):
                pid = names.add_param(type, entry.param, Kind.DATE)
                dates[rid, pid, entry.low_us, entry.high_us] = None
            elif isinstance(entry, NumberEntry):
                pid = names.add_param(type, entry.param, Kind.NUMBER)
                amounts[rid, pid, entry.low, entry.high, NO_SYSTEM, "", ""] = None
            elif isinstance(entry, QuantityEntry):
                pid = names.add_param(type, entry.param, Kind.QUANTITY)
                system = _system(names, entry.system)
                unit = (entry.code or "", entry.unit or "")
                amounts[rid, pid, entry.low, entry.high, system, *unit] = None
            elif isinstance(entry, CompositeEntry):
                pid = names.add_param(type, entry.param, Kind.COMPOSITE)
                composites[rid, pid, *_composite(names, entry)] = None
            else:
                pid = names.add_param(type, entry.param, Kind.URI)
                terms[rid, pid, entry.uri, NO_SYSTEM, updated] = None

    def batch(self) -> Batch:
        """All that may wait."""
        return Batch(
            self.superseded,
            list(self.waiting),
            list(self.terms),
            list(self.texts),
            list(self.dates),
            list(self.amounts),
            list(self.composites),
        )


def _identifying(entry: TokenEntry) -> Identifying:
    if not entry.identifying:
        return Identifying.NO
    return Identifying.AT_ONCE if entry.guarding else Identifying.WAITS


def _reference(entry: ReferenceEntry) -> Iterable[tuple[Kind, str, str | None]]:
    """A target is (id, type), a url (url, no type): told apart by the type."""
    if entry.target_type and entry.target_id:
        yield Kind.REFERENCE, entry.target_id, entry.target_type
    if entry.url:
        yield Kind.REFERENCE, entry.url, None
    if entry.identifier:
        yield Kind.REFERENCE_IDENTIFIER, entry.identifier, None


def _composite(
    names: Names, entry: CompositeEntry
) -> tuple[str, int, str | int | float, str | int | float, int, str, str, float, float]:
    first, second, *rest = entry.parts
    if not isinstance(first, TokenEntry):
        raise TypeError("a composite begins with a token")
    low3 = high3 = 0.0
    if rest:
        (third,) = rest
        if not isinstance(third, NumberEntry):
            raise TypeError("a composite's third part is a number")
        low3, high3 = third.low, third.high
    return first.code, _system(names, first.system), *_second(names, second), low3, high3


def _second(names: Names, part: Part) -> Second:
    match part:
        case TokenEntry():
            return part.code, "", _system(names, part.system), "", ""
        case StringEntry():
            return part.normalised, "", NO_SYSTEM, part.exact, ""
        case ReferenceEntry():
            value = part.target_id or part.url or ""
            return value, "", _system(names, part.target_type), part.identifier or "", ""
        case DateEntry():
            return part.low_us, part.high_us, NO_SYSTEM, "", ""
        case NumberEntry():
            return part.low, part.high, NO_SYSTEM, "", ""
        case QuantityEntry():
            unit = (part.code or "", part.unit or "")
            return part.low, part.high, _system(names, part.system), *unit


def _system(names: Names, system: str | None) -> int:
    return names.add(system) if system else NO_SYSTEM
