"""Whose turn it is to write, among the processes on one data directory.

SQLite's own lock is polled with growing pauses; under load a process that loses it waits for a tenth of a second and
may lose again. A file lock wakes the next process the moment it is free; a second one, held by whoever is next, keeps
the process that has just written from taking the first again before the other is awake. SQLite's lock stays the one
that counts.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows: SQLite's lock alone.
    fcntl = None  # type: ignore[assignment]


class Turn:
    """A context manager held while a transaction writes. Only one thread uses an instance."""

    def __init__(self, path: Path) -> None:
        self._writing = _opened(path)
        self._next = _opened(path.with_name(f"{path.name}-next"))

    def __enter__(self) -> None:
        if fcntl is not None:
            fcntl.flock(self._next, fcntl.LOCK_EX)
            fcntl.flock(self._writing, fcntl.LOCK_EX)
            fcntl.flock(self._next, fcntl.LOCK_UN)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if fcntl is not None:
            fcntl.flock(self._writing, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._writing)
        os.close(self._next)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
