"""How commits come together: one transaction and one fsync for all that wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from store.sqlite import SqliteStore
from store.sqlite.turn import Turn
from store.sqlite.writer import Writer
from tests.contract.writes import commit, made


async def test_what_arrives_while_another_process_writes_joins_the_group(
    store: SqliteStore, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    transaction = Writer._transaction

    def counted(writer: Writer, group: list[object]) -> object:
        sizes.append(len(group))
        return transaction(writer, group)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "_transaction", counted)
    another_process = Turn(data_dir / "write.lock")
    with another_process:
        first = asyncio.create_task(store.commit(commit(made("Patient", "first"))))
        await asyncio.sleep(0)
        # The writer takes it, and waits for its turn.
        for _ in iter(store._writer._waiting.__len__, 0):
            await asyncio.sleep(0)
        others = [
            asyncio.create_task(store.commit(commit(made("Patient", str(at))))) for at in range(5)
        ]
        await asyncio.sleep(0)
    await asyncio.gather(first, *others)
    another_process.close()
    assert sizes == [6]
