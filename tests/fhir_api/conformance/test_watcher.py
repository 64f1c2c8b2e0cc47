"""Every API process learns of stored definitions: at start, from its own commits, and from those of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from fhir_api.api import Api
from fhir_api.conformance.watcher import Watcher
from store.errors import StoreUnavailable
from store.interface import Version
from store.sqlite import SqliteStore
from tests.fhir_api.client import Client
from tests.fhir_api.conftest import VALIDATOR


async def put(client: Client, id: str, **elements: str) -> None:
    value_set = {"resourceType": "ValueSet", "id": id, "status": "draft", **elements}
    assert (await client.put(f"ValueSet/{id}", value_set)).status in (200, 201)


@pytest.fixture
async def elsewhere(tmp_path: Path, store: SqliteStore) -> AsyncIterator[Client]:
    """Another process on the same store, as far as the store can tell."""
    other = SqliteStore.open(tmp_path / "data")
    yield Client(Api(other, VALIDATOR))
    await other.close()


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, versions: Sequence[Version]) -> None:
        self.said += [f"{v.type}/{v.id}/{v.version}{'-' * v.deleted}" for v in versions]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def watcher(store: SqliteStore, heard: Heard) -> Watcher:
    watcher = Watcher(store)
    watcher.listen(("ValueSet", "CodeSystem"), heard)
    return watcher


async def test_at_start_listeners_are_told_all_that_is_stored(
    watcher: Watcher, heard: Heard, client: Client
) -> None:
    for number in range(120):
        await put(client, str(number))
    await client.delete("ValueSet/7")
    await client.post("Patient", {"resourceType": "Patient"})
    await watcher.start()
    assert sorted(heard.said) == sorted(f"ValueSet/{n}/1" for n in range(120) if n != 7)


async def test_what_this_process_commits_is_known_before_the_answer(
    watcher: Watcher, heard: Heard, store: SqliteStore
) -> None:
    client = Client(Api(store, VALIDATOR, watcher=watcher))
    await watcher.start()
    await client.post("Patient", {"resourceType": "Patient"})
    await put(client, "v")
    assert heard.said == ["ValueSet/v/1"]
    await client.delete("ValueSet/v")
    assert heard.said == ["ValueSet/v/1", "ValueSet/v/2-"]


async def test_what_another_process_commits_is_found_by_a_look(
    watcher: Watcher, heard: Heard, elsewhere: Client
) -> None:
    await watcher.start()
    for number in range(60):
        await put(elsewhere, str(number))
    await put(elsewhere, "3", title="changed")
    await watcher.look()
    assert len(heard.said) == 60
    assert heard.said[-1] == "ValueSet/3/2"
    await watcher.look()
    assert len(heard.said) == 60


async def test_a_process_keeps_looking(watcher: Watcher, elsewhere: Client) -> None:
    told = asyncio.Event()
    watcher.listen(("ValueSet",), lambda versions: told.set() if versions else None)
    await watcher.start()
    watching = asyncio.create_task(watcher.keep_watching())
    await put(elsewhere, "v")
    await asyncio.wait_for(told.wait(), 30)
    watching.cancel()


async def test_a_listener_that_fails_fails_no_write(watcher: Watcher, store: SqliteStore) -> None:
    def fails(_versions: Sequence[Version]) -> None:
        raise KeyError

    client = Client(Api(store, VALIDATOR, watcher=watcher))
    await watcher.start()
    watcher.listen(("ValueSet",), fails)
    await put(client, "v")


async def test_a_store_that_fails_for_a_moment_fails_no_write(
    watcher: Watcher, heard: Heard, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_type: str) -> int:
        raise StoreUnavailable("busy")

    client = Client(Api(store, VALIDATOR, watcher=watcher))
    await watcher.start()
    with monkeypatch.context() as patched:
        patched.setattr(store, "last_write", fails)
        await put(client, "v")
    await watcher.look()
    assert heard.said == ["ValueSet/v/1"]
