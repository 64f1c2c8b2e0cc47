# ruff: noqa: S608 - the statements are this module's own
"""The database file: tables, indexes and the version of their layout.

Types, systems and search parameters are numbers in every index row; ``name`` and ``param`` say which. Each entry
table is clustered by resource (filters and updates touch one place) and has the indexes a search is driven by.
A composite's second value is whatever its kind is: a code, a text, an id, or the low end of an amount or a date.
``term_updated`` carries the time of change, so that a page of ``status=requested&_sort=-_lastUpdated`` is read off
the index in order, however many resources there are. What identifies (``param.identifying``) is not in it: its rows
have no time, and an update leaves them alone. ``pending`` holds rows that are committed and stand in no index yet
(``pending.py``).
"""

from __future__ import annotations

import sqlite3

from store.errors import StoreUnavailable

LAYOUT = 5
"""Kept in ``PRAGMA user_version``. A newer file is refused, an older one brought up to date."""

APPLICATION_ID = 0x48565354
"""'HVST' in the file's header, so that no foreign database is taken for ours."""

TERMS = """
CREATE TABLE term_entry (
    rid INTEGER NOT NULL, pid INTEGER NOT NULL, code TEXT NOT NULL, system INTEGER NOT NULL,
    updated INTEGER, PRIMARY KEY (rid, pid, code, system)
) WITHOUT ROWID;
CREATE INDEX term_created ON term_entry (pid, code);
CREATE INDEX term_updated ON term_entry (pid, code, updated) WHERE updated IS NOT NULL;
"""

COMPOSITES = """
CREATE TABLE composite_entry (
    rid INTEGER NOT NULL, pid INTEGER NOT NULL, code TEXT NOT NULL, system INTEGER NOT NULL,
    value2 NOT NULL, high2 NOT NULL, system2 INTEGER NOT NULL, code2 TEXT NOT NULL, unit2 TEXT NOT NULL,
    low3 REAL NOT NULL, high3 REAL NOT NULL,
    PRIMARY KEY (rid, pid, code, system, value2, high2, system2, code2, unit2, low3, high3)
) WITHOUT ROWID;
CREATE INDEX composite_found ON composite_entry (pid, code, value2);
"""

PENDING = """
CREATE TABLE pending (
    type INTEGER NOT NULL, sequence INTEGER NOT NULL, rows BLOB NOT NULL, PRIMARY KEY (type, sequence)
) WITHOUT ROWID;
"""

INDEXED = "CREATE INDEX resource_indexed ON resource (type, indexed) WHERE live = 1;"
"""``indexed`` is the number of the edition that made the resource's entries; 0: nobody said."""

TABLES = f"""
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE param (
    id INTEGER PRIMARY KEY, type INTEGER NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL,
    identifying INTEGER NOT NULL DEFAULT 0, UNIQUE (type, name, kind)
);

CREATE TABLE resource (
    rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
    sequence INTEGER NOT NULL, updated INTEGER NOT NULL, live INTEGER NOT NULL,
    indexed INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX resource_id ON resource (id, type);
CREATE INDEX resource_created ON resource (type) WHERE live = 1;
CREATE INDEX resource_updated ON resource (type, updated) WHERE live = 1;
{INDEXED}

CREATE TABLE version (
    sequence INTEGER PRIMARY KEY, rid INTEGER NOT NULL, type INTEGER NOT NULL, version INTEGER NOT NULL,
    updated INTEGER NOT NULL, method TEXT NOT NULL, kept INTEGER NOT NULL, blob TEXT, content BLOB NOT NULL
);
CREATE UNIQUE INDEX version_resource ON version (rid, version);
CREATE INDEX version_type ON version (type);
CREATE INDEX version_kept ON version (kept) WHERE kept = 1;
CREATE INDEX version_updated ON version (updated) WHERE kept = 1;

CREATE TABLE version_blob (
    sequence INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (sequence, sha256)
) WITHOUT ROWID;
CREATE INDEX version_blob_sha256 ON version_blob (sha256);

{TERMS}
CREATE TABLE text_entry (
    rid INTEGER NOT NULL, pid INTEGER NOT NULL, normalised TEXT NOT NULL, exact TEXT NOT NULL,
    PRIMARY KEY (rid, pid, normalised, exact)
) WITHOUT ROWID;
CREATE INDEX text_normalised ON text_entry (pid, normalised);

CREATE TABLE date_entry (
    rid INTEGER NOT NULL, pid INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
    PRIMARY KEY (rid, pid, low, high)
) WITHOUT ROWID;
CREATE INDEX date_low ON date_entry (pid, low, high);
CREATE INDEX date_high ON date_entry (pid, high, low);

CREATE TABLE amount_entry (
    rid INTEGER NOT NULL, pid INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
    system INTEGER NOT NULL, code TEXT NOT NULL, unit TEXT NOT NULL,
    PRIMARY KEY (rid, pid, low, high, system, code, unit)
) WITHOUT ROWID;
CREATE INDEX amount_low ON amount_entry (pid, low, high);
CREATE INDEX amount_high ON amount_entry (pid, high, low);

{COMPOSITES}
{PENDING}
CREATE TABLE queue (
    rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, topics TEXT NOT NULL, priority INTEGER NOT NULL,
    enqueued INTEGER NOT NULL, ready INTEGER NOT NULL, owner TEXT, expires INTEGER NOT NULL,
    attempts INTEGER NOT NULL, progress BLOB NOT NULL
);
CREATE INDEX queue_expires ON queue (type, expires) WHERE owner IS NOT NULL;
CREATE TABLE queue_waiting (
    type INTEGER NOT NULL, topic TEXT NOT NULL, priority INTEGER NOT NULL, enqueued INTEGER NOT NULL,
    rid INTEGER NOT NULL, ready INTEGER NOT NULL, PRIMARY KEY (type, topic, priority DESC, enqueued, rid)
) WITHOUT ROWID;
CREATE INDEX queue_waiting_rid ON queue_waiting (rid);

CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX outbox_topic ON outbox (topic);
"""

STEPS = {
    1: f"""
ALTER TABLE param ADD COLUMN identifying INTEGER NOT NULL DEFAULT 0;
ALTER TABLE term_entry RENAME TO old_term_entry;
DROP INDEX term_created;
DROP INDEX term_updated;
{TERMS}
INSERT INTO term_entry SELECT rid, pid, code, system, updated FROM old_term_entry;
DROP TABLE old_term_entry;
""",
    2: COMPOSITES,
    3: f"""
ALTER TABLE resource ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
{INDEXED}
""",
    4: PENDING,
}
"""Layout of an older file → what makes it the next one."""


def prepare(connection: sqlite3.Connection) -> None:
    """Creates the layout in an empty file, or brings that of an older one up to date.

    Safe when several processes open the same new file at once.

    Raises:
        StoreUnavailable: the file is another program's, or a newer version wrote it.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and tables:
            raise StoreUnavailable("the database file in the data directory is not one of ours")
        if layout > LAYOUT:
            raise StoreUnavailable(
                f"the database was written by a newer version (layout {layout}, this one knows {LAYOUT})"
            )
        steps = [STEPS[older] for older in range(layout, LAYOUT)] if tables else [TABLES]
        for statement in (statement for step in steps for statement in step.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
