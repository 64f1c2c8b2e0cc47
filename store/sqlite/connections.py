"""Opens connections to the database file, each with the settings of its task."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from store.errors import StoreUnavailable

FILE_NAME = "store.sqlite3"

LOG_FILE_BYTES = 256 << 20
"""What a burst left in the log's file beyond this is given back to the disk."""

BUSY_TIMEOUT_MS = 15_000
"""How long a statement waits for another process before the store counts as unavailable."""


def connect(directory: Path, *, cache_mib: int, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode (transactions are begun explicitly).

    Raises:
        StoreUnavailable: the file cannot be opened, or is no database.
    """
    try:
        connection = sqlite3.connect(
            directory / FILE_NAME,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        try:
            if not read_only:
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = 1")  # macOS: past the disk's own cache
            connection.execute(f"PRAGMA cache_size = {-1024 * cache_mib}")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # see checkpoints.py
            connection.execute(f"PRAGMA journal_size_limit = {LOG_FILE_BYTES}")
            if read_only:
                connection.execute("PRAGMA query_only = 1")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise translated(error) from error
    return connection


def translated(error: sqlite3.Error) -> Exception:
    """What SQLite reports of disk, file and locks as the one sentence an operator needs; a mistake of ours as it is."""
    name = getattr(error, "sqlite_errorname", None) or ""
    for prefix, sentence in _SENTENCES:
        if name.startswith(prefix):
            return StoreUnavailable(sentence)
    return error


_SENTENCES = (
    ("SQLITE_FULL", "the disk that holds the data directory is full"),
    ("SQLITE_IOERR", "the disk that holds the data directory reports an error"),
    ("SQLITE_READONLY", "the database in the data directory cannot be written"),
    ("SQLITE_CANTOPEN", "the database in the data directory cannot be opened"),
    ("SQLITE_PERM", "the database in the data directory cannot be opened"),
    ("SQLITE_NOTADB", "the database file in the data directory is damaged or is no database"),
    ("SQLITE_CORRUPT", "the database file in the data directory is damaged"),
    ("SQLITE_BUSY", "another process keeps the database locked"),
    ("SQLITE_LOCKED", "another process keeps the database locked"),
    ("SQLITE_NOMEM", "there is not enough memory for the database"),
)
