"""Dynamic batches: many callers hand in one item each, the engine sees as many as are there.

A batch starts when it is full, when its oldest item has waited `longest_wait_s`, or at once when a
STAT item arrives. A STAT item therefore waits for at most the batch that is running, and shares
its own batch only with other STAT items.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.engines.engine import Engine, InputShape
from inference.engines.errors import EngineError, EngineFailure

Item = NDArray[np.float32]
"""(channels, rows, columns)."""
Answer = Mapping[str, NDArray[np.float32]]
"""The graph's outputs for one item, without the batch axis."""


@dataclass(slots=True, eq=False)
class _Waiting:
    item: Item
    since: float
    answer: Future[Answer] = field(default_factory=Future)


class Batcher:
    """One thread in front of one engine. Safe to call from any thread; close it, or use `with`."""

    def __init__(self, engine: Engine, *, largest: int = 8, longest_wait_s: float = 0.01) -> None:
        """Start the thread.

        Args:
            engine: used by this batcher alone from now on.
            largest: items of a full batch.
            longest_wait_s: how long a routine item may wait for company while the engine is idle.
        """
        if largest < 1 or longest_wait_s < 0:
            raise ValueError("a batch holds at least one item, and a wait is not negative")
        self._engine = engine
        self._largest = largest
        self._longest_wait_s = longest_wait_s
        self._stat: deque[_Waiting] = deque()
        self._routine: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="engine-batches", daemon=True)
        self._thread.start()

    @property
    def input_shape(self) -> InputShape:
        return self._engine.input_shape

    def submit(self, item: Item, *, stat: bool = False) -> Future[Answer]:
        """Hand in one item; the future gives its outputs, or raises the engine's EngineError.

        A future cancelled before its batch starts leaves the queue.

        Raises:
            WrongInput: the item does not fit the engine. Others in the queue are not touched.
            RuntimeError: the batcher is closed.
        """
        self._engine.input_shape.check(item[np.newaxis])
        waiting = _Waiting(item, time.monotonic())
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            (self._stat if stat else self._routine).append(waiting)
            self._changed.notify()
        return waiting.answer

    def close(self) -> None:
        """Answer what has been handed in, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self) -> None:
        while batch := self._next_batch():
            started = [one for one in batch if one.answer.set_running_or_notify_cancel()]
            if started:
                self._answer(started)

    def _next_batch(self) -> list[_Waiting]:
        """Wait for a batch; empty once closed and drained."""
        with self._changed:
            while not (self._stat or self._routine or self._closed):
                self._changed.wait()
            while not (self._stat or self._closed or len(self._routine) >= self._largest):
                rest_s = self._routine[0].since + self._longest_wait_s - time.monotonic()
                if rest_s <= 0:
                    break
                self._changed.wait(rest_s)
            queue = self._stat or self._routine
            return [queue.popleft() for _ in range(min(self._largest, len(queue)))]

    def _answer(self, batch: list[_Waiting]) -> None:
        try:
            outputs = self._engine.run(np.stack([one.item for one in batch]))
        except EngineError as error:
            _fail(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - the thread must outlive a defect of an engine
            failure = EngineFailure("the engine failed on a batch")
            failure.__cause__ = error
            _fail(batch, failure)
            return
        for index, one in enumerate(batch):
            one.answer.set_result({name: values[index] for name, values in outputs.items()})


def _fail(batch: list[_Waiting], error: EngineError) -> None:
    for one in batch:
        one.answer.set_exception(error)
