"""How batches form, seen through an engine that waits until the test lets it go."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait

import numpy as np
import pytest

from inference.engines import Answer, Batcher, EngineFailure, InputShape, Outputs, WrongInput

LONG_S = 60
"""A wait that no passing test reaches."""


class GatedEngine:
    """Answers with the items' own values; holds every batch until it is let through."""

    name = "gated"
    device = "cpu"
    input_shape = InputShape(1, 1, 1)

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.error: Exception | None = None

    def run(self, batch: np.ndarray) -> Outputs:
        self.batches.append([int(value) for value in batch.ravel()])
        self.started.release()
        assert self.gate.acquire(timeout=LONG_S)
        if self.error is not None:
            raise self.error
        return {"logit": batch.reshape(-1)}


def item(value: int) -> np.ndarray:
    return np.full((1, 1, 1), value, dtype=np.float32)


def open_gate(engine: GatedEngine) -> None:
    engine.gate.release(1000)


def occupy(engine: GatedEngine, batcher: Batcher) -> Future[Answer]:
    """Make the engine busy with one item, numbered 0."""
    first = batcher.submit(item(0), stat=True)
    assert engine.started.acquire(timeout=LONG_S)
    return first


def test_items_that_arrive_while_the_engine_is_busy_share_a_batch() -> None:
    engine = GatedEngine()
    with Batcher(engine, largest=4, longest_wait_s=0) as batcher:
        occupy(engine, batcher)
        answers = [batcher.submit(item(value)) for value in range(1, 7)]
        open_gate(engine)
        assert [int(answer.result(LONG_S)["logit"]) for answer in answers] == [1, 2, 3, 4, 5, 6]
    assert engine.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_stat_overtakes_all_that_wait_and_never_waits_for_a_full_batch() -> None:
    engine = GatedEngine()
    with Batcher(engine, largest=4, longest_wait_s=LONG_S) as batcher:
        occupy(engine, batcher)
        routine = [batcher.submit(item(value)) for value in range(1, 9)]
        stat = batcher.submit(item(99), stat=True)
        open_gate(engine)
        stat.result(LONG_S)
        wait(routine, LONG_S)
    assert engine.batches == [[0], [99], [1, 2, 3, 4], [5, 6, 7, 8]]


def test_stat_ends_the_wait_of_an_idle_engine() -> None:
    engine = GatedEngine()
    open_gate(engine)
    with Batcher(engine, largest=4, longest_wait_s=LONG_S) as batcher:
        routine = batcher.submit(item(1))
        assert batcher.submit(item(2), stat=True).result(LONG_S / 2)["logit"] == 2
        assert not routine.done()
    assert routine.result(LONG_S)["logit"] == 1


def test_a_full_batch_starts_without_waiting() -> None:
    engine = GatedEngine()
    open_gate(engine)
    with Batcher(engine, largest=2, longest_wait_s=LONG_S) as batcher:
        answers = [batcher.submit(item(value)) for value in (1, 2)]
        assert not wait(answers, LONG_S / 2).not_done
    assert engine.batches == [[1, 2]]


def test_a_single_routine_item_is_answered_after_the_longest_wait() -> None:
    engine = GatedEngine()
    open_gate(engine)
    with Batcher(engine, largest=8, longest_wait_s=0.01) as batcher:
        assert batcher.submit(item(5)).result(LONG_S)["logit"] == 5


def test_close_answers_what_was_handed_in_and_takes_no_more() -> None:
    engine = GatedEngine()
    batcher = Batcher(engine, largest=2, longest_wait_s=LONG_S)
    occupy(engine, batcher)
    answers = [batcher.submit(item(value)) for value in (1, 2, 3)]
    open_gate(engine)
    batcher.close()
    assert [int(answer.result(0)["logit"]) for answer in answers] == [1, 2, 3]
    with pytest.raises(RuntimeError):
        batcher.submit(item(4))


def test_an_engine_failure_reaches_its_batch_and_no_other() -> None:
    engine = GatedEngine()
    with Batcher(engine, largest=2, longest_wait_s=0) as batcher:
        engine.error = ValueError("a defect")
        failing = occupy(engine, batcher)
        engine.gate.release()
        with pytest.raises(EngineFailure):
            failing.result(LONG_S)
        engine.error = None
        open_gate(engine)
        assert batcher.submit(item(3)).result(LONG_S)["logit"] == 3


def test_wrong_input_is_refused_at_once_and_spoils_no_batch() -> None:
    engine = GatedEngine()
    open_gate(engine)
    with Batcher(engine, largest=2, longest_wait_s=LONG_S) as batcher:
        waiting = batcher.submit(item(1))
        with pytest.raises(WrongInput):
            batcher.submit(np.zeros((1, 2, 2), dtype=np.float32))
        batcher.submit(item(2))
        assert waiting.result(LONG_S)["logit"] == 1


def test_a_cancelled_item_never_reaches_the_engine() -> None:
    engine = GatedEngine()
    with Batcher(engine, largest=4, longest_wait_s=0) as batcher:
        occupy(engine, batcher)
        cancelled, kept = batcher.submit(item(1)), batcher.submit(item(2))
        assert cancelled.cancel()
        open_gate(engine)
        kept.result(LONG_S)
    assert engine.batches == [[0], [2]]


def test_many_threads_each_get_their_own_answers() -> None:
    engine = GatedEngine()
    open_gate(engine)
    wrong: list[int] = []

    def ask(start: int) -> None:
        values = range(start, start + 40)
        answers = [int(batcher.submit(item(value)).result(LONG_S)["logit"]) for value in values]
        wrong.extend(set(values).symmetric_difference(answers))

    with Batcher(engine, largest=4, longest_wait_s=0) as batcher:
        threads = [threading.Thread(target=ask, args=(1000 * n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert max(map(len, engine.batches)) <= 4
