"""The largest resident size of processes while something runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

PAUSE_S = 0.05


@dataclass(slots=True)
class Peak:
    """Largest sums seen so far, in MiB."""

    start_mib: float = 0.0
    peak_mib: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watched(processes: list[psutil.Process]) -> Iterator[Peak]:
    """Samples the processes' resident memory until the block ends."""
    peak = Peak(start_mib=_resident_mib(processes))

    def watch() -> None:
        while not peak.done.wait(PAUSE_S):
            peak.peak_mib = max(peak.peak_mib, _resident_mib(processes))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        peak.done.set()
        thread.join()


def _resident_mib(processes: list[psutil.Process]) -> float:
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20
