"""When a type was last written, as a number in memory that all processes on a data directory share.

SQLite tells it, too, for the price of a transaction: too much for what is asked at every request. A mark is changed
after its commit and before anybody is told of it. Whoever is killed between the two has told nobody; the process that
takes his place, as any that opens the store, changes every mark.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

_PLACES = 1024
"""Types that fall on the same place are looked up more often than they would have to be."""
_BYTES = 8


class Marks:
    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, _PLACES * _BYTES)
            self._memory = mmap.mmap(file, _PLACES * _BYTES)
        finally:
            os.close(file)
        self._places: dict[str, slice] = {}
        self._memory[:] = os.urandom(len(self._memory))

    def of(self, type: str) -> bytes:
        """Another one after every write of the type by any process."""
        return self._memory[self._places.get(type) or self._place(type)]

    def changed(self, types: Iterable[str]) -> None:
        """These types have been written. A random mark needs no turn: it differs from whatever stands there."""
        for type in types:
            self._memory[self._place(type)] = os.urandom(_BYTES)

    def close(self) -> None:
        self._memory.close()

    def _place(self, type: str) -> slice:
        first = zlib.crc32(type.encode()) % _PLACES * _BYTES
        return self._places.setdefault(type, slice(first, first + _BYTES))
