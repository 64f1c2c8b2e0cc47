"""What the writer takes its work from: nothing is lost, nothing waits longer than it may."""

from __future__ import annotations

import threading
import time
from queue import Empty

import pytest

from store.sqlite.inbox import Inbox


def test_items_come_in_the_order_in_which_they_were_put() -> None:
    inbox: Inbox[int] = Inbox()
    for number in range(5):
        inbox.put(number)
    assert len(inbox) == 5
    assert [inbox.get() for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(Empty):
        inbox.get_within(0)


@pytest.mark.timeout(60)
def test_the_shortest_waits_end() -> None:
    """queue.SimpleQueue.get sleeps for ever here within some thousand rounds."""
    inbox: Inbox[int] = Inbox()
    for number in range(20_000):
        inbox.put(number)
        assert inbox.get() == number
        with pytest.raises(Empty):
            inbox.get_within(1e-9 * (1 + number % 2000))


@pytest.mark.timeout(60)
def test_one_thread_takes_what_many_put() -> None:
    inbox: Inbox[int] = Inbox()
    putters = [
        threading.Thread(target=lambda: [inbox.put(number) for number in range(2000)])
        for _ in range(4)
    ]
    for putter in putters:
        putter.start()
    taken = []
    while len(taken) < 8000:
        try:
            taken.append(inbox.get_within(0.0001) if len(taken) % 2 else inbox.get())
        except Empty:
            continue
    for putter in putters:
        putter.join()
    assert sorted(taken) == sorted([*range(2000)] * 4)


def test_a_wait_ends_when_something_comes() -> None:
    inbox: Inbox[str] = Inbox()
    timer = threading.Timer(0.01, inbox.put, ["x"])
    began = time.monotonic()
    timer.start()
    assert inbox.get_within(60) == "x"
    timer.join()
    assert time.monotonic() - began < 60
