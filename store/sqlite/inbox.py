"""What waits for one thread: put from any thread, taken by that one.

Not ``queue.SimpleQueue``: its ``get(timeout=…)`` waits for ever where the time runs out between its two attempts (in
CPython 3.11 a timeout that has become negative means none), and a writer that sleeps with commits in its hand stops
the whole server.
"""

from __future__ import annotations

from collections import deque
from queue import Empty
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """First in, first out. Only one thread takes."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._bell = Lock()
        self._bell.acquire()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        self._items.append(item)
        if self._bell.locked():
            try:
                self._bell.release()
            except RuntimeError:  # another thread rang in between
                return

    def get(self) -> T:
        """The first item, whenever it comes."""
        while not self._items:
            self._bell.acquire()
        return self._items.popleft()

    def get_within(self, seconds: float) -> T:
        """The first item, if it is there or comes in time.

        Raises:
            Empty: it does not.
        """
        until = monotonic() + seconds
        while not self._items:
            # The bell may still ring for an item that was taken without asking it.
            left = until - monotonic()
            if left <= 0 or not self._bell.acquire(timeout=left):
                break
        if not self._items:
            raise Empty
        return self._items.popleft()
