"""A process that writes until it is killed, and says each thing that was acknowledged.

    python -m tests.contract.writing_process BACKEND DIRECTORY NAME

A line ``NUMBER SHA256`` on standard output: the commit of NUMBER, all of its parts, was acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from store.entries import TokenEntry
from store.interface import Outgoing, Store
from tests.contract.conftest import BACKENDS
from tests.contract.writes import commit, enqueued, made

WRITERS = 8


async def write_for_ever(store: Store, name: str) -> None:
    numbers = count()
    await asyncio.gather(*(_write(store, name, numbers) for _ in range(WRITERS)))


async def _write(store: Store, name: str, numbers: count[int]) -> None:
    for number in numbers:
        id = f"{name}-{number}"
        blob = await store.blobs.put(id.encode())
        entries = (TokenEntry("part", None, id), TokenEntry("by", None, name))
        await store.commit(
            commit(
                made("Report", id, entries=entries, blobs=(blob.sha256,)),
                made("Observation", id, entries=entries),
                made("Task", id, entries=entries, queue=enqueued(name)),
                outbox=(Outgoing(name, id.encode(), id),),
            )
        )
        # One write to the pipe: a kill leaves a whole line or none.
        sys.stdout.write(f"{number} {blob.sha256}\n")
        sys.stdout.flush()


async def main() -> None:
    backend, directory, name = sys.argv[1:]
    await write_for_ever(BACKENDS[backend](Path(directory)), name)


if __name__ == "__main__":
    asyncio.run(main())
