"""Copies what the log (WAL) has gathered into the database file, without making a commit wait for it.

A checkpoint inside a commit stalls everybody for as long as the disk takes. Here a thread copies most of the log while
commits go on; then, between two groups, the writer copies the little that came meanwhile, and the log begins anew.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

from store.sqlite.connections import connect

LOG_PAGES = 20_000
"""About so many pages in the log are copied. Pages written again and again are copied once: longer is less work."""

_PAGES_OF_GROUP = 30
_CHANGES_A_PAGE = 2
_PAGE_BYTES = 4096

_log = logging.getLogger(__name__)


class Checkpoints:
    """One a process; where several are at it at once, SQLite lets one work and the others go."""

    def __init__(self, directory: Path, writing: sqlite3.Connection) -> None:
        self._writing = writing
        self._copying = connect(directory, cache_mib=1, read_only=False)
        self._pages = 0
        self._changes = 0
        self._due = threading.Event()
        self._busy = False
        self._copied = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-checkpoint", daemon=True)
        self._thread.start()

    def after_group(self, content_bytes: int) -> None:
        """Called by the writer's thread when it is in no transaction."""
        changes = self._writing.total_changes
        # SQLite tells Python no length of the log; this follows it closely enough.
        self._pages += _PAGES_OF_GROUP + content_bytes // _PAGE_BYTES
        self._pages += (changes - self._changes) // _CHANGES_A_PAGE
        self._changes = changes
        if self._copied:
            self._copied = False
            _checkpoint(self._writing)
        elif self._pages >= LOG_PAGES and not self._busy:
            self._pages = 0
            self._busy = True
            self._due.set()

    def close(self) -> None:
        self._closing = True
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._due.wait()
            # Cleared before the work: a close that comes while it is done sets it again.
            self._due.clear()
            if self._closing:
                break
            _checkpoint(self._copying)
            self._copied = True
            self._busy = False
        self._copying.close()


def _checkpoint(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:
        # The log keeps everything; the next one tries again.
        _log.warning("checkpoint failed: %s", getattr(error, "sqlite_errorname", "unknown"))
