"""Rates by a clock that the test turns; https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm"""

from __future__ import annotations

from fhir_api.rates import MOST_KEYS, Rate


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def taken(rate: Rate, key: str, most: int = 1000) -> int:
    """How many there is room for now."""
    for number in range(most):
        if rate.wait_s(key):
            return number
        rate.count(key)
    return most


def test_a_minutes_worth_may_come_at_once_and_then_one_by_one() -> None:
    clock = Clock()
    rate = Rate(60, clock)
    assert taken(rate, "a") == 60
    assert 0 < rate.wait_s("a") <= 1
    clock.now_s += rate.wait_s("a")
    assert taken(rate, "a") == 1
    clock.now_s += 10
    assert taken(rate, "a") == 10
    clock.now_s += 3600
    assert taken(rate, "a") == 60


def test_keys_do_not_take_each_others_room() -> None:
    rate = Rate(5, Clock())
    assert taken(rate, "a") == 5
    assert taken(rate, "b") == 5


def test_zero_is_no_limit_and_keeps_nothing() -> None:
    rate = Rate(0, Clock())
    assert taken(rate, "a") == 1000
    assert not rate._used_up_s


def test_ever_new_keys_take_no_more_memory() -> None:
    rate = Rate(5, Clock())
    for number in range(MOST_KEYS + 500):
        rate.count(number)
    assert len(rate._used_up_s) == MOST_KEYS


def test_what_is_counted_beyond_the_room_is_waited_for() -> None:
    rate = Rate(60, Clock())
    for _ in range(90):
        rate.count("a")
    assert 30 < rate.wait_s("a") <= 31
