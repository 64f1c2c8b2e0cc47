"""Decoding in processes of its own.

Decoders are C and C++ libraries that hold Python's lock for as long as they run (0.2 to 0.7 s for a JPEG 2000 radiograph) and may
end their process on hostile data (gdcm does, by an exception that nothing catches). In a child process they can do neither
to a server or a worker.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import ParamSpec, TypeVar

from imaging.errors import CorruptImage

P = ParamSpec("P")
T = TypeVar("T")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names in ``mallopt(3)``."""
_MOST_THREADS = 8
_LARGEST_KEPT_BYTES = 32 * 1024 * 1024
_MOST_KEPT_BYTES = 128 * 1024 * 1024


class DecoderProcesses:
    """A pool of child processes, started when they are first needed; they end with this process, however it ends."""

    def __init__(self, processes: int = 2) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a module's function in a child. Arguments, result and exceptions are pickled.

        Raises:
            CorruptImage: the child ended over it, twice.
        """
        pool = self._pool
        if pool is None:
            pool = self._pool = _pool(self._processes)
        try:
            return await _submit(pool, function, *args, **kwargs)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
        # Whoever shared the pool with the guilty one failed too: each tries again alone.
        alone = _pool(1)
        try:
            return await _submit(alone, function, *args, **kwargs)
        except BrokenProcessPool:
            raise CorruptImage("the decoder broke down over the pixel data") from None
        finally:
            alone.shutdown(wait=False)

    async def warm_up(self, ready: Callable[[], object]) -> None:
        """Starts the children now and has each call ``ready``; what is run first is then as fast as what follows."""
        await asyncio.gather(*(self.run(ready) for _ in range(self._processes)))

    def close(self) -> None:
        """Ends the children when they are done with what they are at."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


async def _submit(
    pool: ProcessPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    return await asyncio.wrap_future(pool.submit(function, *args, **kwargs))


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_child
    )


def _begin_child() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    _keep_freed_memory()
    # OpenJPEG reads it with each image, where it was built with threads: Pillow's is, pylibjpeg's is not.
    os.environ.setdefault("OPJ_NUM_THREADS", str(_threads()))


def _threads() -> int:
    """Threads for one JPEG 2000 image, of which five sixths of the time can be shared out."""
    return min(_MOST_THREADS, os.cpu_count() or 1)


def _keep_freed_memory() -> None:
    """Has glibc keep what an image leaves for the next one: a third of a radiograph's time went into fresh pages."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, _MOST_KEPT_BYTES)
