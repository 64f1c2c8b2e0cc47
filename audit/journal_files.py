"""The journals of all processes, read by the one that delivers: from where it was, whole lines only, and removed at last."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from audit.journal import SUFFIX
from audit.space import replace_file

_POSITIONS: Final = "delivered.json"


@dataclass(frozen=True, slots=True)
class Line:
    """A line and where it stands: ``name:offset`` is its own for ever, names are random."""

    name: str
    offset: int
    text: bytes

    @property
    def source(self) -> str:
        return f"{self.name}:{self.offset}"


class JournalFiles:
    """The files of one folder, and how far each was delivered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._positions: dict[str, int] = {}
        kept = folder / _POSITIONS
        if kept.is_file():
            self._positions = msgspec.json.decode(kept.read_bytes(), type=dict[str, int])

    def pending(self, limit: int) -> list[Line]:
        """The next lines, at most about so many, oldest of each file first."""
        found: list[Line] = []
        for path in self._paths():
            if len(found) >= limit:
                break
            found += self._lines(path, limit - len(found))
        return found

    def delivered(self, lines: list[Line]) -> None:
        """Notes that these, which ``pending`` answered, are delivered for good; removes files that are done."""
        for line in lines:
            self._positions[line.name] = line.offset + len(line.text) + 1
        if lines:
            self._keep()

    def remove_done(self) -> None:
        """Removes files whose processes are gone and whose lines are all delivered."""
        for path in self._paths():
            if _is_abandoned(path) and not self._lines(path, 1):
                path.unlink()
                if self._positions.pop(path.stem, None) is not None:
                    self._keep()

    def backlog_bytes(self) -> int:
        """How much is not delivered."""
        return sum(
            path.stat().st_size - self._positions.get(path.stem, 0) for path in self._paths()
        )

    def _lines(self, path: Path, limit: int) -> list[Line]:
        offset = self._positions.get(path.stem, 0)
        found: list[Line] = []
        with path.open("rb") as file:
            file.seek(offset)
            while len(found) < limit:
                text = file.readline()
                if not text.endswith(b"\n"):
                    break
                found.append(Line(path.stem, offset, text[:-1]))
                offset += len(text)
        return found

    def _paths(self) -> Iterator[Path]:
        if self._folder.is_dir():
            yield from sorted(self._folder.glob(f"*{SUFFIX}"))

    def _keep(self) -> None:
        replace_file(self._folder / _POSITIONS, msgspec.json.encode(self._positions))


def _is_abandoned(path: Path) -> bool:
    """Whether nobody holds the lock that a living process has on its file."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(file)
