"""What an operator meets when the data directory is not what it should be."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from store.entries import TokenEntry
from store.errors import StoreUnavailable
from store.query import Query, SortField, SortKey, TokenIs
from store.sqlite import SqliteStore
from store.sqlite.connections import FILE_NAME
from store.sqlite.schema import LAYOUT
from tests.contract.writes import commit, made

FIRST_LAYOUT = """
DROP TABLE pending;
DROP TABLE composite_entry;
DROP INDEX resource_indexed;
ALTER TABLE resource DROP COLUMN indexed;
ALTER TABLE param DROP COLUMN identifying;
ALTER TABLE term_entry RENAME TO newer;
CREATE TABLE term_entry (
    rid INTEGER NOT NULL, pid INTEGER NOT NULL, code TEXT NOT NULL, system INTEGER NOT NULL,
    updated INTEGER NOT NULL, PRIMARY KEY (rid, pid, code, system)
) WITHOUT ROWID;
INSERT INTO term_entry SELECT * FROM newer;
DROP TABLE newer;
CREATE INDEX term_created ON term_entry (pid, code);
CREATE INDEX term_updated ON term_entry (pid, code, updated);
PRAGMA user_version = 1;
"""
"""Today's layout → the first one."""


async def test_a_store_opened_again_has_everything(data_dir: Path) -> None:
    first = SqliteStore.open(data_dir)
    await first.commit(commit(made("Patient", "p")))
    await first.close()
    await first.close()
    second = SqliteStore.open(data_dir)
    assert await second.read("Patient", "p") is not None
    await second.close()


async def test_the_log_and_the_commits_are_set_to_survive_power_loss(store: SqliteStore) -> None:
    """https://sqlite.org/pragma.html#pragma_synchronous: FULL is 2."""
    connection = store._writer._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_that_is_no_database_is_refused(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / FILE_NAME).write_bytes(b"certainly not a database" * 1_000)
    with pytest.raises(StoreUnavailable, match="damaged or is no database"):
        SqliteStore.open(data_dir)


def test_another_programs_database_is_refused_and_left_alone(data_dir: Path) -> None:
    data_dir.mkdir()
    other = sqlite3.connect(data_dir / FILE_NAME)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    with pytest.raises(StoreUnavailable, match="not one of ours"):
        SqliteStore.open(data_dir)
    other = sqlite3.connect(data_dir / FILE_NAME)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    other.close()


async def test_a_newer_layout_is_refused(data_dir: Path) -> None:
    await SqliteStore.open(data_dir).close()
    newer = sqlite3.connect(data_dir / FILE_NAME)
    newer.execute(f"PRAGMA user_version = {LAYOUT + 1}")
    newer.close()
    with pytest.raises(StoreUnavailable, match="newer version"):
        SqliteStore.open(data_dir)


async def test_a_store_of_the_first_layout_is_brought_up_to_date(data_dir: Path) -> None:
    store = SqliteStore.open(data_dir)
    entries = (TokenEntry("identifier", "urn:mrn", "1"),)
    await store.commit(
        commit(
            made("Patient", "b", at_us=20, entries=entries),
            made("Patient", "a", at_us=10, entries=entries),
        )
    )
    await store.close()
    older = sqlite3.connect(data_dir / FILE_NAME)
    older.executescript(FIRST_LAYOUT)
    older.close()
    store = SqliteStore.open(data_dir)
    page = await store.search(
        Query(
            "Patient",
            (TokenIs("identifier", "urn:mrn", "1"),),
            (SortKey(SortField.LAST_UPDATED),),
        )
    )
    assert [hit.version.id for hit in page.hits] == ["a", "b"]
    entries = (TokenEntry("telecom", "phone", "2", identifying=True),)
    await store.commit(commit(made("Patient", "c", entries=entries)))
    await store.close()


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("a file")
    with pytest.raises(StoreUnavailable, match="data directory cannot be used"):
        SqliteStore.open(place)
