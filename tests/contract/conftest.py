"""The backends that the contract tests run against: every test here runs once on each, unchanged.

A backend is added by an opener: given a directory of its own, it answers with the store that lives there; opened twice
on one directory, it is the same deployment seen by two processes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from store.interface import Store
from store.sqlite import SqliteStore

Opener = Callable[[], Store]

BACKENDS: dict[str, Callable[[Path], Store]] = {"sqlite": SqliteStore.open}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def open_store(backend: str, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens the test's store; again for what another process would see. All are closed at the end."""
    opened: list[Store] = []

    def open_one() -> Store:
        store = BACKENDS[backend](tmp_path / "data")
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
def store(open_store: Opener) -> Store:
    return open_store()
