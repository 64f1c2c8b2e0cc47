"""The embedded backend: one SQLite database (WAL) and content-addressed files."""

from store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
