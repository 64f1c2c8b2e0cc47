"""Answers that say 'not here' to an app leave with the beat of a clock: benchmarks/existence.py measures what that is worth."""

from __future__ import annotations

import asyncio

import pytest

from fhir_api import routes
from fhir_api.even_time import Clock
from tests.fhir_api.client import Client, bundle, entry, observation, patient
from tests.fhir_api.visibility.callers import app


class Beats(Clock):
    """Beats at once, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def next_beat(self) -> None:
        self.count += 1


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> Beats:
    counting = Beats()
    monkeypatch.setattr(routes, "CLOCK", counting)
    return counting


async def test_each_not_here_of_an_app_waits_and_nothing_else(client: Client, beats: Beats) -> None:
    await client.put("Patient/a", patient("a", id="a"))
    await client.put("Observation/o", observation("Patient/b", id="o"))
    mine = client.calling_as(app("patient/*.cruds"))
    assert beats.count == 0
    for url in ("Patient/a", "Patient", "Patient?_id=a", "Patient/a/_history", "metadata"):
        await mine.get(url)
    assert beats.count == 0
    gets = (
        "Patient/b",
        "Observation/o",
        "Observation/o/_history",
        "Observation?_id=o",
        "Observation?_summary=count",
    )
    for number, url in enumerate(gets, 1):
        await mine.get(url)
        assert beats.count == number, url
    await mine.delete("Observation/o")
    assert beats.count == 6
    await mine.post(
        "",
        bundle(
            "batch",
            entry("GET", "Patient/b"),
            entry("GET", "Patient/a"),
            entry("GET", "Observation?_id=o"),
        ),
    )
    assert beats.count == 8
    await client.get("Observation/absent")
    assert beats.count == 8


async def test_a_beat_wakes_all_who_wait_and_those_who_have_gone_do_no_harm() -> None:
    clock = Clock()
    left = asyncio.create_task(clock.next_beat())
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait_for(asyncio.gather(*(clock.next_beat() for _ in range(50))), 5)
    await asyncio.wait_for(clock.next_beat(), 5)
    assert left.cancelled()
