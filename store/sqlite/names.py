"""The dictionaries: a number for each type, system and search parameter, cached.

Numbers never change and are never removed, so a cached one stays right whatever other processes do.
Each connection has its own cache: no thread shares one.
"""

from __future__ import annotations

import sqlite3
from enum import IntEnum

NO_SYSTEM = 0
"""In place of a name's number where an entry has no system."""

_CACHE_LIMIT = 20_000


class Kind(IntEnum):
    """What an entry row says; kept in ``param.kind``, so never renumber."""

    TOKEN = 1
    TOKEN_TEXT = 2
    STRING = 3
    REFERENCE = 4
    REFERENCE_IDENTIFIER = 5
    DATE = 6
    NUMBER = 7
    QUANTITY = 8
    URI = 9
    COMPOSITE = 10


class Identifying(IntEnum):
    """How the rows of a parameter stand; kept in ``param.identifying``, so never renumber."""

    NO = 0
    AT_ONCE = 1
    """In no order of update, and never pending."""
    WAITS = 2
    """In no order of update; those of a new resource may be pending."""


class Names:
    """Looks numbers up; ``add`` and ``add_param`` make new ones, inside the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._params: dict[tuple[int, str, Kind], int] = {}
        self._identifying: dict[int, Identifying] = {}
        self._added_names: list[str] = []
        self._added_params: list[tuple[int, str, Kind]] = []

    def find(self, text: str) -> int | None:
        number = self._names.get(text)
        if number is None:
            row = self._connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()
            if row is None:
                return None
            number = self._remember(text, row[0])
        return number

    def add(self, text: str) -> int:
        number = self._names.get(text) or self.find(text)
        if number is None:
            cursor = self._connection.execute("INSERT INTO name (text) VALUES (?)", (text,))
            number = self._remember(text, cursor.lastrowid or 0)
            self._added_names.append(text)
        return number

    def text(self, number: int) -> str:
        text = self._texts.get(number)
        if text is None:
            row = self._connection.execute(
                "SELECT text FROM name WHERE id = ?", (number,)
            ).fetchone()
            text = str(row[0])
            self._remember(text, number)
        return text

    def find_param(self, type: int, name: str, kind: Kind) -> int | None:
        key = (type, name, kind)
        number = self._params.get(key)
        if number is None:
            row = self._connection.execute(
                "SELECT id, identifying FROM param WHERE type = ? AND name = ? AND kind = ?", key
            ).fetchone()
            if row is None:
                return None
            number = self._params[key] = int(row[0])
            self._identifying[number] = Identifying(row[1])
        return number

    def add_param(
        self, type: int, name: str, kind: Kind, identifying: Identifying = Identifying.NO
    ) -> int:
        """``identifying`` is what the parameter's first entry said; what later ones say changes nothing."""
        key = (type, name, kind)
        number = self._params.get(key) or self.find_param(type, name, kind)
        if number is None:
            cursor = self._connection.execute(
                "INSERT INTO param (type, name, kind, identifying) VALUES (?, ?, ?, ?)",
                (type, name, int(kind), int(identifying)),
            )
            number = self._params[key] = cursor.lastrowid or 0
            self._identifying[number] = identifying
            self._added_params.append(key)
        return number

    def identifying(self, param: int) -> Identifying:
        """How the rows of a parameter, found or added before, stand."""
        return self._identifying[param]

    def kinds_of(self, type: int, name: str) -> list[tuple[Kind, int]]:
        """Every (kind, number) under which the parameter has entries."""
        rows = self._connection.execute(
            "SELECT kind, id FROM param WHERE type = ? AND name = ? ORDER BY kind", (type, name)
        )
        return [(Kind(kind), number) for kind, number in rows]

    def committed(self) -> None:
        """What the transaction added is there to stay."""
        self._added_names.clear()
        self._added_params.clear()

    def rolled_back(self) -> None:
        """What the transaction added is not there."""
        for text in self._added_names:
            number = self._names.pop(text, None)
            if number is not None:
                self._texts.pop(number, None)
        for key in self._added_params:
            self._identifying.pop(self._params.pop(key, 0), None)
        self.committed()

    def _remember(self, text: str, number: int) -> int:
        if len(self._names) >= _CACHE_LIMIT:
            self._names.clear()
            self._texts.clear()
        self._names[text] = number
        self._texts[number] = text
        return number
