"""How often something may be: so many a minute under one key, as many of them at once as come.

In the memory of this process, and bounded. By the generic cell rate algorithm: one number for each key, the time at
which all that was counted is used up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from math import ceil
from typing import Final

from fhir_api.errors import Category, FhirError

WINDOW_S: Final = 60.0
MOST_KEYS: Final = 10_000
"""The key that came first is forgotten for another: whoever sends from ever new keys is not slowed down by their number."""


class Rate:
    """At most ``per_minute`` under one key; 0: as many as there are."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds."""
        self._interval_s = WINDOW_S / per_minute if per_minute else 0.0
        self._tolerance_s = WINDOW_S - self._interval_s if per_minute else float("inf")
        self._clock = clock
        self._used_up_s: dict[Hashable, float] = {}

    def wait_s(self, key: Hashable) -> float:
        """Seconds until there is room for one more; 0: there is."""
        used_up_s = self._used_up_s.get(key)
        if used_up_s is None:
            return 0.0
        # A rounding error is no reason to wait.
        wait_s = used_up_s - self._clock() - self._tolerance_s
        return wait_s if wait_s > 1e-6 else 0.0

    def count(self, key: Hashable) -> None:
        """One more, whether there is room or not."""
        if not self._interval_s:
            return
        now_s = self._clock()
        used_up_s = self._used_up_s.get(key)
        if used_up_s is None:
            if len(self._used_up_s) >= MOST_KEYS:
                del self._used_up_s[next(iter(self._used_up_s))]
            used_up_s = now_s
        self._used_up_s[key] = max(used_up_s, now_s) + self._interval_s


class TooOften(FhirError):
    """429, and when to come again."""

    def __init__(self, what: str, wait_s: float) -> None:
        super().__init__(
            Category.THROTTLED,
            f"Too many {what}: come again later.",
            headers=(("Retry-After", str(ceil(wait_s))),),
        )
