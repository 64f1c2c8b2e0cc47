"""An acknowledged commit survives SIGKILL of the process that made it, whole; one that was not is there whole or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from store.interface import HistoryQuery, Store
from store.query import Query, TokenIs
from tests.contract.conftest import BACKENDS

ROOT = Path(__file__).parents[2]


@pytest.mark.crash
@pytest.mark.parametrize("kills", [3])
async def test_every_acknowledged_commit_is_there_after_sigkill(
    backend: str, tmp_path: Path, kills: int
) -> None:
    """Two processes write to one store and are killed in the middle, several times over."""
    data = tmp_path / "data"
    acknowledged: dict[str, str] = {}
    for turn in range(kills):
        names = [f"run{turn}{letter}" for letter in "ab"]
        processes = [_start(backend, data, name) for name in names]
        for name, process in zip(names, processes, strict=True):
            acknowledged |= _killed_after(process, name, lines=40 + 17 * turn)
    store = BACKENDS[backend](data)
    try:
        for id, sha256 in acknowledged.items():
            await _is_whole(store, id)
            assert await store.blobs.get(sha256) == id.encode()
        await _nothing_is_half_there(store)
        await store.blobs.sweep(1 << 60)
        for sha256 in acknowledged.values():
            assert await store.blobs.info(sha256) is not None
    finally:
        await store.close()


def _start(backend: str, data: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.writing_process", backend, str(data), name]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _killed_after(process: subprocess.Popen[str], name: str, lines: int) -> dict[str, str]:
    """Kills it once it has acknowledged so many; answers all that it had when it died."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    os.kill(process.pid, signal.SIGKILL)
    said += process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    whole = [line.split() for line in said if line.endswith("\n")]
    assert len(whole) >= lines
    return {f"{name}-{number}": sha256 for number, sha256 in whole}


async def _is_whole(store: Store, id: str) -> None:
    for type in ("Report", "Observation", "Task"):
        version = await store.read(type, id)
        assert version is not None, f"{type}/{id} was acknowledged and is lost"
        assert version.content == f"{type}/{id}/1".encode()
        page = await store.search(Query(type, (TokenIs("part", None, id),)))
        assert [hit.version.id for hit in page.hits] == [id]
        assert len(await store.history(HistoryQuery((type,), id))) == 1
    assert await store.queue_entry("Task", id) is not None


async def _nothing_is_half_there(store: Store) -> None:
    counts = {await store.count(Query(type)) for type in ("Report", "Observation", "Task")}
    assert len(counts) == 1
    stored = counts.pop()
    assert await store.history_count(HistoryQuery()) == 3 * stored
    assert sum((await store.queue_depth("Task")).values()) == stored
    reports = await store.search(Query("Report", limit=stored))
    for hit in reports.hits:
        await _is_whole(store, hit.version.id)
