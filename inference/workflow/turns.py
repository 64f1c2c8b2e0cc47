"""Who may use the processor next: a bounded number at once, the most urgent first, then the longest waiting."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Turns:
    """Turns for work in threads. To be used on one event loop."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def run(self, rank: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``work`` in a thread when its turn comes; a higher ``rank`` comes first."""
        async with self.turn(rank):
            return await asyncio.to_thread(work, *args, **kwargs)

    @asynccontextmanager
    async def turn(self, rank: int) -> AsyncIterator[None]:
        """The turn alone, for work that is not a thread's."""
        if self._free == 0:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (-rank, next(self._numbers), waiting))
            try:
                await waiting
            except asyncio.CancelledError:
                if waiting.done() and not waiting.cancelled():
                    self._pass_on()  # the turn came and the caller went in the same moment
                raise
        else:
            self._free -= 1
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            waiting = heapq.heappop(self._waiting)[2]
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1
