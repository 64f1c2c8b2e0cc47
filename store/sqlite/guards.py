# ruff: noqa: S608 - the pieces are the compiler's own; every value is bound
"""The guards of a group of commits: what conditional creates and updates rest on.

Most ask for one token that is never pending (``identifier=…``). Those are looked up together when the transaction begins, and
hold unless the group itself has written something that the token finds. Any other guard is a search of its own, after
all that stands before it is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import groupby

from store.entries import TokenEntry
from store.interface import Guard, Write
from store.query import TokenIs
from store.sqlite.conditions import Compiler
from store.sqlite.matches import Sql
from store.sqlite.names import Names
from store.sqlite.pending import stands_at_once

_SIZES = (1, 2, 4, 8, 16)
"""How many are looked up in one statement: few texts, so that they stay prepared."""


class Guards:
    """The guards of one transaction."""

    def __init__(self, connection: sqlite3.Connection, names: Names) -> None:
        self._connection = connection
        self._names = names
        self._found: dict[Guard, set[str]] = {}
        self._writes: list[Write] = []
        self._seen = 0
        self._written: set[tuple[str, str]] = set()
        """(type, id) of every write of the group that has been looked at."""
        self._tokens: set[tuple[str, str, str]] = set()
        """(type, param, code) of their entries."""

    def prefetch(self, guards: Iterable[Guard]) -> None:
        """Looks up those that ask for one token that is never pending, before anything of the group is written."""
        lookups = [(_lookup(guard, self._names), guard) for guard in guards]
        known = [(sql, guard) for sql, guard in lookups if sql is not None]
        known.sort(key=lambda pair: pair[0].text)
        for text, pairs in groupby(known, key=lambda pair: pair[0].text):
            alike = list(pairs)
            for at in range(0, len(alike), _SIZES[-1]):
                self._fetch(text, alike[at : at + _SIZES[-1]])

    def note(self, write: Write) -> None:
        """Something that the group writes."""
        self._writes.append(write)

    def found(self, guard: Guard) -> set[str] | None:
        """The ids that it finds now; None: that has to be searched."""
        ids = self._found.get(guard)
        if ids is None:
            return None
        self._look_at_writes()
        (token,) = guard.where
        if isinstance(token, TokenIs) and (guard.type, token.param, token.code) in self._tokens:
            return None
        return ids if all((guard.type, id) not in self._written for id in ids) else None

    def _fetch(self, text: str, alike: list[tuple[Sql, Guard]]) -> None:
        size = next(size for size in _SIZES if size >= len(alike))
        padded = alike + alike[:1] * (size - len(alike))
        statement = " UNION ALL ".join(f"SELECT {at}, id FROM ({text})" for at in range(size))
        values = [value for sql, _ in padded for value in sql.values]
        for _, guard in alike:
            self._found[guard] = set()
        for at, id in self._connection.execute(statement, values):
            self._found[padded[at][1]].add(id)

    def _look_at_writes(self) -> None:
        for write in self._writes[self._seen :]:
            self._written.add((write.type, write.id))
            for entry in write.entries:
                if isinstance(entry, TokenEntry):
                    self._tokens.add((write.type, entry.param, entry.code))
        self._seen = len(self._writes)


def _lookup(guard: Guard, names: Names) -> Sql | None:
    """A SELECT of the ids, one more at most than the guard allows; None where it asks for something else."""
    if len(guard.where) != 1:
        return None
    (token,) = guard.where
    if not isinstance(token, TokenIs) or token.code is None:
        return None
    if not stands_at_once(names, guard.type, token):
        return None
    rids = Compiler(names, guard.type).rids(token)
    if rids is None:
        return None
    return Sql(
        f"SELECT DISTINCT r.id AS id FROM ({rids.text}) m CROSS JOIN resource r ON r.rid = m.rid LIMIT ?",
        (*rids.values, len(guard.ids) + 1),
    )
