"""(f) Cheap requests on a million resources while others send searches that cannot be cheap.

The hostile ones come from connections of their own, each sending the next when the last was answered; each kind is tried
alone first. What counts: they end with ``too-costly`` or ``throttled`` (or are answered within the limit), and the cheap
requests of the others hardly notice.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks.filled_store import Patient, fill
from benchmarks.machine import percentile, table
from benchmarks.scale import SIZES
from tests.deployment import OPERATOR_TOKEN, Deployment

LIMIT_S = 2
ATTACKERS = 4
REQUESTS = 300
HOSTILE = (
    "Patient?name:contains=qqqq",
    "Observation?code:not=85354-9&_sort=-component-value-quantity",
    "Observation?patient.name:contains=qq",
    "Patient?_has:Observation:patient:code:not=85354-9",
    "Observation?date=ge1900&status=final&_count=0",
    "Observation?component-value-quantity=ne5&_sort=patient,-date,code",
    "Patient?family:missing=true&_sort=given",
    "?_type=Observation,Patient,Task&_lastUpdated=ne2020&_tag:not=x&_profile:missing=false",
)
CHEAP = (
    "Patient/{id}",
    "Observation?patient={id}&_count=20",
    "Task?status=requested&_sort=-_lastUpdated&_count=20",
)


def run(options: argparse.Namespace) -> None:
    """Prints what became of each hostile search, and latencies of the cheap requests without and with them."""
    if not options.fhirload.exists():
        print(f"skipped: there is no load program at {options.fhirload} (--fhirload)")
        return
    with ExitStack() as stack:
        folder = options.scale_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data_dir = folder / str(SIZES[-1])
        patients = asyncio.run(fill(data_dir, options.fhirload, SIZES[-1]))
        limits = {"HEALTHVISION_SEARCH_LIMIT_S": str(LIMIT_S)}
        deployment = Deployment(data_dir, arguments=("--no-worker",), settings=limits)
        deployment.start()
        stack.callback(deployment.stop)
        asyncio.run(_run(deployment.fhir, patients))


async def _run(url: str, patients: list[Patient]) -> None:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=120, trust_env=False
    ) as client:
        print(
            table(
                ("search, alone", "status", "issue", "seconds"),
                [await _alone(client, one) for one in HOSTILE],
            )
        )
        before = await _cheap(client, patients)
        stop, answers = asyncio.Event(), Counter[str]()
        attackers = [
            asyncio.create_task(_attack(client, stop, answers, n)) for n in range(ATTACKERS)
        ]
        during = await _cheap(client, patients)
        stop.set()
        await asyncio.gather(*attackers)
    rows = [
        (
            path,
            *(
                f"{1000 * percentile(seconds[path], share):.1f}"
                for share in (0.5, 0.95)
                for seconds in (before, during)
            ),
        )
        for path in CHEAP
    ]
    print()
    print(
        table(
            ("cheap request, ms", "p50 alone", "p50 meanwhile", "p95 alone", "p95 meanwhile"), rows
        )
    )
    said = ", ".join(f"{count} × {answer}" for answer, count in answers.most_common())
    print(
        f"\n{ATTACKERS} connections sent the searches above all the while (limit {LIMIT_S} s): {said}."
    )


async def _alone(client: httpx.AsyncClient, search: str) -> tuple[str, int, str, str]:
    began = time.perf_counter()
    answer = await client.get(search if not search.startswith("?") else f"/{search}")
    took = time.perf_counter() - began
    return search, answer.status_code, _issue(answer), f"{took:.2f}"


def _issue(answer: httpx.Response) -> str:
    return answer.json()["issue"][0]["code"] if answer.status_code != 200 else ""


async def _attack(
    client: httpx.AsyncClient, stop: asyncio.Event, answers: Counter[str], start: int
) -> None:
    at = start
    while not stop.is_set():
        search = HOSTILE[at % len(HOSTILE)]
        answer = await client.get(search if not search.startswith("?") else f"/{search}")
        answers[f"{answer.status_code} {_issue(answer)}".strip()] += 1
        at += 1


async def _cheap(client: httpx.AsyncClient, patients: list[Patient]) -> dict[str, list[float]]:
    chosen, seconds = random.Random(5), {path: list[float]() for path in CHEAP}
    for _ in range(REQUESTS):
        for path in CHEAP:
            began = time.perf_counter()
            answer = await client.get(path.format(id=chosen.choice(patients).id))
            seconds[path].append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text[:300]
    return seconds
