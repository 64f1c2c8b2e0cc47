"""When a search last had to wait for entry rows to be merged into the index, as every process on the data directory sees.

The time of a file's last change says it: to look costs a microsecond.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

LASTS_S = 1.0
"""So long after such a search others are likely to come."""


class Demand:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __bool__(self) -> bool:
        return abs(time.time() - os.fstat(self._file).st_mtime) < LASTS_S

    def note(self) -> None:
        """A search waits now."""
        os.utime(self._file)

    def close(self) -> None:
        os.close(self._file)
