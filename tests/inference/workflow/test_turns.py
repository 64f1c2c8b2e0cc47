"""Turns: a bounded number at once, by rank, and urgent work alone."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.workflow.turns import URGENT_RANK, Precedence, Turns


async def order_of(turns: Turns, ranks: list[int]) -> list[int]:
    """The ranks in the order in which they get their turn, when all ask while nobody may."""
    got: list[int] = []
    gate = asyncio.Event()

    async def block() -> None:
        async with turns.turn(URGENT_RANK):
            await gate.wait()

    async def ask(rank: int) -> None:
        async with turns.turn(rank):
            got.append(rank)

    blocking = asyncio.create_task(block())
    await asyncio.sleep(0)
    asking = [asyncio.create_task(ask(rank)) for rank in ranks]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(blocking, *asking)
    return got


@given(st.lists(st.integers(0, 3), max_size=12))
def test_the_most_urgent_comes_first(ranks: list[int]) -> None:
    assert asyncio.run(order_of(Precedence().turns(1), ranks)) == sorted(ranks, reverse=True)


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 4))
def test_no_more_than_its_number_run_at_once_and_all_run(ranks: list[int], at_once: int) -> None:
    async def run() -> None:
        precedence, running, most, done = Precedence(), 0, 0, 0
        turns = precedence.turns(at_once)

        async def work(rank: int) -> None:
            nonlocal running, most, done
            with precedence.under_way(rank):
                async with turns.turn(rank):
                    running += 1
                    most = max(most, running)
                    await asyncio.sleep(0)
                    running -= 1
                    done += 1

        await asyncio.gather(*map(work, ranks))
        assert done == len(ranks)
        assert most <= at_once

    asyncio.run(run())


async def test_nothing_else_begins_anywhere_while_something_urgent_is_under_way() -> None:
    precedence = Precedence()
    processor, wire = precedence.turns(2), precedence.turns(2)
    with precedence.under_way(URGENT_RANK):
        routine = [asyncio.create_task(turns.run(0, str)) for turns in (processor, wire)]
        assert await processor.run(URGENT_RANK, lambda: "stat") == "stat"
        assert not any(one.done() for one in routine)
    assert await asyncio.gather(*routine) == ["", ""]


async def test_what_is_urgent_and_slow_does_not_hold_the_others_up_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may wait for an archive that does not answer."""
    monkeypatch.setattr("inference.workflow.turns.PRECEDENCE_S", 0.01)
    precedence = Precedence()
    turns = precedence.turns(1)
    with precedence.under_way(URGENT_RANK):
        assert await asyncio.wait_for(turns.run(0, str), 10) == ""


async def test_on_the_wire_something_urgent_passes_those_who_hold_every_turn() -> None:
    """A slow archive may keep its turns for a minute."""
    turns = Precedence().turns(1, urgent_waits=False)
    async with turns.turn(0):
        async with asyncio.timeout(10), turns.turn(URGENT_RANK), turns.turn(URGENT_RANK):
            pass
        waiting = asyncio.create_task(turns.run(0, str))
        await asyncio.sleep(0)
        assert not waiting.done()
    assert await waiting == ""


async def test_who_is_cancelled_while_waiting_keeps_nobody_waiting() -> None:
    turns = Precedence().turns(1)
    async with turns.turn(0):
        gone = asyncio.create_task(turns.run(0, str))
        waiting = asyncio.create_task(turns.run(0, str))
        await asyncio.sleep(0)
        gone.cancel()
    assert await asyncio.wait_for(waiting, 10) == ""


async def test_a_turn_that_comes_in_the_moment_of_a_cancellation_is_passed_on() -> None:
    turns = Precedence().turns(1)
    first = turns.turn(0)
    await first.__aenter__()
    gone = asyncio.create_task(turns.run(0, str))
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)
    gone.cancel()
    assert await asyncio.wait_for(turns.run(0, str), 10) == ""
