"""What is not there for an app is answered at a moment that says nothing of whether it is hidden or was never there.

A resource that is hidden has to be fetched to be judged, an absent one has not: on loopback, some 20 microseconds tell them
apart, and a few dozen requests are enough to be sure. So an answer 'not here' waits for the next beat of a clock that runs
on its own: each of them, in a batch too. What a search costs that finds something of the caller's own still depends on how
much else it looks at.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Final

from fhir_api.http import Request, Response

BEAT_S: Final = 0.004
"""Many times what such an answer takes: so most fall before the same beat, whatever they took."""

_SEARCHSET: Final = b'{"resourceType":"Bundle","type":"searchset"'
_ENTRIES: Final = b'"entry":['

Waiting = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


def is_not_here(request: Request, response: Response) -> bool:
    """Whether it tells an app that there is nothing: that nothing was found, or nothing had to be deleted."""
    if request.caller.scopes is None:
        return False
    return (
        response.status == 404
        or (request.method == "DELETE" and response.status == 204)
        or (response.body.startswith(_SEARCHSET) and _ENTRIES not in response.body)
    )


class Clock:
    """Wakes whoever waits, at multiples of ``BEAT_S``.

    A thread, because an event loop's own timers count whole milliseconds from when they were set: what was done before
    would still show in them. It sleeps while nobody waits.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Waiting] = []
        self._thread: threading.Thread | None = None

    async def next_beat(self) -> None:
        """Returns at the next beat."""
        loop = asyncio.get_running_loop()
        beat = loop.create_future()
        with self._changed:
            self._waiting.append((loop, beat))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="even-time", daemon=True)
                self._thread.start()
            self._changed.notify()
        await beat

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
            time.sleep(BEAT_S - time.monotonic() % BEAT_S)
            with self._changed:
                woken, self._waiting = self._waiting, []
            for loop, beat in woken:
                with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(_wake, beat)


def _wake(beat: asyncio.Future[None]) -> None:
    if not beat.done():
        beat.set_result(None)


CLOCK: Final = Clock()
