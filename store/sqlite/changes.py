"""Wakes whoever waits for a write of a type: told at once in this process, found within a moment in another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

POLL_S = 0.025
"""How often another process's writes are looked for, while anybody waits."""


class Changes:
    def __init__(self, data_version: Callable[[], int], last_write: Callable[[str], int]) -> None:
        """``data_version`` differs after any write by any process; ``last_write`` after one of that type."""
        self._data_version = data_version
        self._last_write = last_write
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._poll: asyncio.Task[None] | None = None

    def written(self, types: set[str]) -> None:
        for type in types:
            for future in self._waiting.pop(type, ()):
                if not future.done():
                    future.set_result(None)

    async def wait(self, type: str, timeout_s: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(type, []).append(future)
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(future, timeout_s)
        finally:
            waiting = self._waiting.get(type, [])
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                self._waiting.pop(type, None)

    async def close(self) -> None:
        if self._poll is not None:
            self._poll.cancel()
            with suppress(asyncio.CancelledError):
                await self._poll
        self.written(set(self._waiting))

    async def _look(self) -> None:
        seen = self._data_version()
        last: dict[str, int] = {}
        while self._waiting:
            for type in self._waiting:
                if type not in last:
                    last[type] = self._last_write(type)
            await asyncio.sleep(POLL_S)
            now = self._data_version()
            if now == seen:
                continue
            seen = now
            after = {type: self._last_write(type) for type in self._waiting}
            self.written({type for type, at in after.items() if at != last.get(type, at)})
            last = after
