"""Wakes whoever waits for a write of a type: told at once in this process, found within a moment in another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

POLL_S = 0.025
"""How often another process's writes are looked for, while anybody waits."""


@dataclass(slots=True)
class _Waiting:
    """Those who wait for a type. ``since``: its last write when the first of them came."""

    since: int
    futures: set[asyncio.Future[None]] = field(default_factory=set)


class Changes:
    def __init__(self, data_version: Callable[[], int], last_write: Callable[[str], int]) -> None:
        """``data_version`` differs after any write by any process; ``last_write`` after one of that type."""
        self._data_version = data_version
        self._last_write = last_write
        self._waiting: dict[str, _Waiting] = {}
        self._looking: asyncio.Task[None] | None = None

    def written(self, types: Iterable[str]) -> None:
        """Ends the waits for these types."""
        for type in types:
            waiting = self._waiting.pop(type, None)
            for future in waiting.futures if waiting else ():
                if not future.done():
                    future.set_result(None)

    async def wait(self, type: str, timeout_s: float, since: int | None) -> None:
        last = self._last_write(type)
        if since is not None and last != since:
            return
        waiting = self._waiting.setdefault(type, _Waiting(last))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.futures.add(future)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(future, timeout_s)
        finally:
            waiting.futures.discard(future)
            if not waiting.futures and self._waiting.get(type) is waiting:
                del self._waiting[type]

    async def close(self) -> None:
        """Ends all waits."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        self.written(list(self._waiting))

    async def _look(self) -> None:
        seen = None
        while self._waiting:
            now = self._data_version()
            if now != seen:
                seen = now
                self.written(
                    [type for type, w in self._waiting.items() if self._last_write(type) != w.since]
                )
            await asyncio.sleep(POLL_S)
