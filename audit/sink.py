"""Where events are kept: what SQLite and Elasticsearch have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from audit.balp import Event


class Sink(Protocol):
    """Events for good, and the chain of them."""

    async def deliver(self, events: Sequence[Event]) -> int:
        """Keeps those that are not kept already, and chains them; on disk on return. Answers how many were new.

        The same events may come again, after a crash: an event is known by its id.

        Raises:
            StoreError: it cannot now; nothing or some of it was kept.
        """
        ...

    async def checkpoint(self, at_us: int) -> None:
        """Signs how far the chain has come, where it has come further."""
        ...

    async def close(self) -> None: ...
