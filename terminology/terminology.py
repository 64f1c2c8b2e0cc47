"""What is known about codes, in one place: whether one exists, what it is below of, and which value sets hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from terminology.code_systems import CodeSystem, read_code_system
from terminology.grammars import GRAMMARS
from terminology.later_codes import is_later_code
from terminology.published import published
from terminology.value_sets import UNKNOWN, Contents, contents_of

Find = Callable[[str, str], Mapping[str, Any] | None]
"""(CodeSystem or ValueSet, canonical URL with or without ``|version``) → the resource, where it is known."""


class Terminology:
    """Code systems and value sets as ``find`` has them and, where it has none, as R4 publishes them.

    Safe to share between threads. What was read is kept: make a new one when ``find`` has something new.
    """

    def __init__(self, find: Find = lambda _type, _canonical: None) -> None:
        self._find = find
        self._systems: dict[str, CodeSystem | None] = {}
        self._contents: dict[str, Contents] = {}
        self._verdicts: dict[tuple[str, str], bool | None] = {}

    def code_system(self, url: str) -> CodeSystem | None:
        """The code system of that URL, or None where it is not known here (SNOMED CT, LOINC, a stranger's)."""
        found = self._systems.get(url)
        if found is None and url not in self._systems:
            resource = self._find("CodeSystem", url)
            found = published_code_system(url) if resource is None else _read_system(resource)
            if len(self._systems) >= _MOST_KEPT:  # a client chooses what it asks for
                self._systems.clear()
            self._systems[url] = found
        return found

    def is_code(self, system: str, code: str) -> bool | None:
        """Whether the system has the code. None: it cannot be told, because the system is not wholly known here."""
        key = (system, code)
        if key in self._verdicts:
            return self._verdicts[key]
        verdict = self._is_code(system, code)
        if len(system) + len(code) <= _LONGEST_KEPT:
            if len(self._verdicts) >= _MOST_KEPT:
                self._verdicts.clear()
            self._verdicts[key] = verdict
        return verdict

    def _is_code(self, system: str, code: str) -> bool | None:
        grammar = GRAMMARS.get(system)
        if grammar is not None:
            return grammar(code)
        known = self.code_system(system)
        if known is None:
            return None
        if known.find(code) is not None or is_later_code(system, code):
            return True
        return False if known.is_complete else None

    def is_display(self, system: str, code: str, display: object) -> bool:
        """Whether a display is the code's own, in whatever case; yes where the system has none or is not known."""
        known = self.code_system(system)
        concept = known.find(code) if known else None
        if concept is None or concept.display is None or not isinstance(display, str):
            return True
        return display.casefold() == concept.display.casefold()

    def is_of_another_edition(self, system: str, version: object) -> bool:
        """Whether a Coding's ``version`` names another edition of its code system than the one that is known here."""
        if version is None:
            return False
        known = self.code_system(system)
        return known is not None and version != known.version

    def codes_below(self, system: str, code: str) -> frozenset[str]:
        """The code and all that it subsumes; the code alone where the system is not known."""
        known = self.code_system(system)
        return (known.below(code) if known else frozenset()) or frozenset({code})

    def codes_above(self, system: str, code: str) -> frozenset[str]:
        """The code and all that subsume it; the code alone where the system is not known."""
        known = self.code_system(system)
        return (known.above(code) if known else frozenset()) or frozenset({code})

    def contains(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether the value set holds the code. None: it cannot be told."""
        return self.contents(value_set).has(system, code)

    def is_known(self, value_set: str) -> bool:
        """Whether a ValueSet of that canonical is known here, whatever can be told of its codes."""
        return self._value_set(value_set) is not None

    def contents(self, value_set: str) -> Contents:
        """What the value set holds, as far as it can be told; nothing can be told of one that is not known."""
        known = self._contents.get(value_set)
        return self._read(value_set, frozenset()) if known is None else known

    def _read(self, canonical: str, within: frozenset[str]) -> Contents:
        """``within``: the value sets that are being read, which this one may not name again."""
        known = self._contents.get(canonical)
        if known is not None:
            return known
        resource = self._value_set(canonical)
        if resource is None or canonical in within or len(within) >= _DEEPEST:
            return UNKNOWN
        inner = within | {canonical}
        try:
            found = contents_of(resource, self.code_system, lambda url: self._read(url, inner))
        except _MALFORMED:
            found = UNKNOWN
        if len(self._contents) >= _MOST_KEPT:
            self._contents.clear()
        self._contents[canonical] = found
        return found

    def _value_set(self, canonical: str) -> Mapping[str, Any] | None:
        found = self._find("ValueSet", canonical)
        return published("ValueSet", canonical.partition("|")[0]) if found is None else found


def _read_system(resource: Mapping[str, Any]) -> CodeSystem | None:
    try:
        return read_code_system(resource)
    except _MALFORMED:
        return None


_MALFORMED = (KeyError, TypeError, AttributeError, ValueError)
"""What reading a resource raises that is not what its type says: nothing can be told by it."""
_DEEPEST = 20
"""Value sets that name value sets."""
_MOST_KEPT = 4096
_LONGEST_KEPT = 256
"""Characters of a system and code that are remembered: a client chooses them."""


@lru_cache(maxsize=2048)
def published_code_system(url: str) -> CodeSystem | None:
    """The code system as R4 publishes it."""
    resource = published("CodeSystem", url)
    return None if resource is None else read_code_system(resource)
