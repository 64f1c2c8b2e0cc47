"""(e) The same searches on a store of ten thousand resources and on one of a million, side by side.

Two servers stand at once, one on each store. Requests go to them in turn over one connection each, so whatever else
the machine does is suffered by both. Answers are checked by fhirload, whose searches they are; ``FURTHER`` are ours.
Cold: the store's file has just been dropped from the system's cache and the server started. Otherwise it has been read
through, so that the system's cache holds it as it does where a server has run for a while.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.filled_store import TAG, Patient, fhirload, fill
from benchmarks.machine import percentile, table
from tests.deployment import OPERATOR_TOKEN, Deployment

SIZES = (10_000, 1_000_000)
COLD_REQUESTS = 40
FHIRLOAD = (
    "search Patient?identifier",
    "search Observation?patient",
    "search Task?status _sort",
    "search ImagingStudy _include",
    "cond. create, new",
    "cond. create, exists",
)
MM_HG = "http%3A%2F%2Funitsofmeasure.org%7Cmm%5BHg%5D"
FURTHER = {
    "Patient?name, prefix": "/Patient?name={name}",
    "Patient?birthdate, a day": "/Patient?birthdate={birth_year}-0{month}-12",
    "Patient?birthdate _sort=-birthdate": "/Patient?birthdate=gt1950&_sort=-birthdate",
    "Patient?_sort=family": "/Patient?_sort=family",
    "Patient?_lastUpdated, the last": "/Patient?_lastUpdated=gt2020-01-01&_sort=-_lastUpdated",
    "Observation?date, a day": "/Observation?date={year}-0{month}-{day}",
    "Observation?patient _sort=-date": "/Observation?patient={id}&_sort=-date",
    "Observation?patient&code&date": "/Observation?patient={id}&code=85354-9&date=ge2017",
    "Observation?patient _total": "/Observation?patient={id}&_count=5&_total=accurate",
    "Observation?code&date, newest first": "/Observation?code=85354-9&date=ge{year}-0{month}&_sort=-date",
    "Observation?component-value-quantity": "/Observation?component-value-quantity=gt{pressure}%7C"
    + MM_HG,
}
"""Name → path, where the braces stand for something of a patient of the store or for a random number."""


@dataclass(slots=True)
class Side:
    """One store with its server and fhirload's view of it."""

    deployment: Deployment
    patients: list[Patient]
    load: Any
    ops: dict[str, Sequence[Any]]
    cpu_s: Callable[[], float]
    random: random.Random = field(default_factory=lambda: random.Random(11))

    def path(self, template: str) -> str:
        """A path with something in place of its braces."""
        patient, number = self.random.choice(self.patients), self.random.randint
        return template.format(
            id=patient.id,
            name=patient.name[:6],
            birth_year=number(1930, 2018),
            year=number(2017, 2025),
            month=number(1, 9),
            day=number(10, 28),
            pressure=number(170, 175),
        )


@dataclass(slots=True)
class Measured:
    """What one kind of request took on one side."""

    seconds: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    errors: int = 0


def run(options: argparse.Namespace) -> None:
    """Prints p50, p95 and processor time of each search at both sizes, and how much they grow."""
    if not options.fhirload.exists():
        print(f"skipped: there is no load program at {options.fhirload} (--fhirload)")
        return
    with ExitStack() as stack:
        folder = options.scale_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asyncio.run(_run(options, folder, stack))


async def _run(options: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    stores = [folder / str(size) for size in SIZES]
    filled = []
    for data_dir, size in zip(stores, SIZES, strict=True):
        began, cpu = time.perf_counter(), time.process_time()
        filled.append(await fill(data_dir, options.fhirload, size))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        size_kib = (data_dir / "store.sqlite3").stat().st_size / 1024
        print(
            f"{size} resources: {took:.0f} s and {cpu:.0f} s of processor time (0: filled before), "
            f"{1e6 * cpu / size:.0f} µs and {size_kib / size:.2f} KiB on disk a resource",
            flush=True,
        )
    sides = [
        _side(options, data_dir, patients, stack)
        for data_dir, patients in zip(stores, filled, strict=True)
    ]
    cold = await _all(sides, COLD_REQUESTS)
    for data_dir in stores:
        _read_through(data_dir / "store.sqlite3")
    warm = await _all(sides, options.scale_requests)
    rows = [_row(name, warm[name], cold[name]) for name in warm]
    print()
    print(table(HEAD, rows))
    print(
        f"\nMilliseconds, one connection each, {options.scale_requests} requests ({COLD_REQUESTS} cold), in turn; "
        "stores filled directly with real extraction and indexes, validation of one resource a type."
    )


HEAD = (
    "search",
    "10 k p50",
    "1 M p50",
    "10 k p95",
    "1 M p95",
    "p95 grows",
    "10 k CPU",
    "1 M CPU",
    "CPU grows",
    "1 M cold p95",
    "errors",
)


def _row(name: str, warm: Sequence[Measured], cold: Sequence[Measured]) -> tuple[str, ...]:
    p50 = [1000 * percentile(m.seconds, 0.5) for m in warm]
    p95 = [1000 * percentile(m.seconds, 0.95) for m in warm]
    cpu = [1000 * m.cpu_s / len(m.seconds) for m in warm]
    return (
        name,
        *(f"{ms:.2f}" for ms in (*p50, *p95)),
        f"{p95[1] / p95[0]:.1f}",
        *(f"{ms:.2f}" for ms in cpu),
        f"{cpu[1] / max(cpu[0], 0.001):.1f}",
        f"{1000 * percentile(cold[1].seconds, 0.95):.1f}",
        str(sum(m.errors for m in (*warm, *cold))),
    )


def _side(
    options: argparse.Namespace, data_dir: Path, patients: list[Patient], stack: ExitStack
) -> Side:
    _drop_from_cache(data_dir / "store.sqlite3")
    deployment = Deployment(data_dir, arguments=("--no-worker",))
    deployment.start()
    stack.callback(deployment.stop)
    program = fhirload(options.fhirload)
    load = program.Load(
        argparse.Namespace(
            base_url=deployment.fhir, token=OPERATOR_TOKEN, header=None, gzip=False, insecure=False,
            timeout=60.0, pid=[], redo=0, concurrency=1,
        )
    )  # fmt: skip
    load.tag = TAG
    load.mk = program.Maker(TAG)
    load.mk.n = itertools.count(int(time.time() * 100))
    load.patients = [patient.remembered() for patient in patients]
    load.conns = [program.Conn(load.target)]
    (api,) = deployment.processes("api")
    ops = {name: op for name, op in load.ops() if name in FHIRLOAD}
    return Side(deployment, patients, load, ops, lambda: sum(api.cpu_times()[:2]))


def _drop_from_cache(path: Path) -> None:
    """Asks the system to forget the file's pages, which are all on disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(number)


def _read_through(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


async def _all(sides: Sequence[Side], requests: int) -> dict[str, tuple[Measured, ...]]:
    measured = {}
    for name in (*FHIRLOAD, *FURTHER):
        measured[name] = tuple(Measured() for _ in sides)
        for side in sides:
            op = side.ops.get(name, ())
            if len(op) > 3 and op[3]:
                await op[3]()
        for _ in range(requests):
            for side, into in zip(sides, measured[name], strict=True):
                await _one(side, name, into)
    return measured


async def _one(side: Side, name: str, into: Measured) -> None:
    if name in side.ops:
        make, check = side.ops[name][:2]
        raw, context = make(0)
    else:
        raw, context, check = side.load.req("GET", side.path(FURTHER[name])), None, _is_ok
    cpu, began = side.cpu_s(), time.perf_counter()
    status, head, body = await side.load.conns[0].request(raw)
    into.seconds.append(time.perf_counter() - began)
    into.cpu_s += side.cpu_s() - cpu
    try:
        check(context, status, head, body)
    except Exception as error:  # noqa: BLE001 - counted and shown
        into.errors += 1
        print(f"{name}: {error}", flush=True)


def _is_ok(_context: object, status: int, _head: bytes, body: bytes) -> None:
    if status != 200:
        raise ValueError(body[:300])
