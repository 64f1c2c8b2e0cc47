"""Who may go on next: a bounded number at once, the most urgent first, then the longest waiting.

While something urgent is under way, nothing less urgent begins anywhere: what runs already is all that it waits for.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

URGENT_RANK = 3
"""From this rank on (stat), others stand back."""
PRECEDENCE_S = 5.0
"""No longer than this: what takes more time waits for a slow archive, and the others need not wait with it."""


class Precedence:
    """What is under way, for all the turns that give way to it. To be used on one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[object, int] = {}
        self._turns: list[Turns] = []

    def turns(self, at_once: int, *, urgent_waits: bool = True) -> Turns:
        """Turns of a new kind; without ``urgent_waits`` what is urgent needs no free one."""
        self._turns.append(Turns(at_once, self, urgent_waits=urgent_waits))
        return self._turns[-1]

    @contextmanager
    def under_way(self, rank: int) -> Iterator[None]:
        """Work of this rank goes on in the block, also while it waits for the network or the engine."""
        this = object()
        self._under_way[this] = rank
        overdue = asyncio.get_running_loop().call_later(PRECEDENCE_S, self._give_way, this)
        try:
            yield
        finally:
            overdue.cancel()
            self._give_way(this)

    def _give_way(self, one: object) -> None:
        self._under_way.pop(one, None)
        for turns in self._turns:
            turns.pass_on()

    def may_begin(self, rank: int) -> bool:
        return rank >= URGENT_RANK or max(self._under_way.values(), default=0) < URGENT_RANK


class Turns:
    """Turns at one thing that there is little of: the processor, a server's attention."""

    def __init__(self, at_once: int, precedence: Precedence, *, urgent_waits: bool) -> None:
        self._free = at_once
        self._urgent_waits = urgent_waits
        self._precedence = precedence
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def run(self, rank: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``work`` in a thread when its turn comes; a higher ``rank`` comes first."""
        async with self.turn(rank):
            return await asyncio.to_thread(work, *args, **kwargs)

    @asynccontextmanager
    async def turn(self, rank: int) -> AsyncIterator[None]:
        """The turn alone, for work that is not a thread's."""
        passes = rank >= URGENT_RANK and not self._urgent_waits
        if passes or (self._free > 0 and self._precedence.may_begin(rank)):
            self._free -= 1
        else:
            await self._queue(rank)
        try:
            yield
        finally:
            self._free += 1
            self.pass_on()

    async def _queue(self, rank: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-rank, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came in the moment of the cancellation
                self._free += 1
                self.pass_on()
            raise

    def pass_on(self) -> None:
        """Gives free turns to those who wait first and may begin."""
        while self._waiting and self._free > 0:
            minus_rank, _, turn = self._waiting[0]
            if turn.done():
                heapq.heappop(self._waiting)
            elif self._precedence.may_begin(-minus_rank):
                heapq.heappop(self._waiting)
                self._free -= 1
                turn.set_result(None)
            else:
                return
