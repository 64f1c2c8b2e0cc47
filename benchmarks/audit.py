"""What the audit costs: the same requests to two servers, one with it and one without, in turn.

Throughput and p99 of reads, searches and creates over some connections at once; processor time of the API process, and of the
process that delivers the audit beside it, which is nicer than all others.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import psutil

from audit.journal_files import JournalFiles
from benchmarks.machine import percentile, table
from benchmarks.scoped import Connection
from tests.deployment import OPERATOR_TOKEN, Deployment

CONNECTIONS, ROUNDS, SECONDS = 4, 8, 2.0
CPU_ROUNDS, REQUESTS = 6, 1000
ASKED = 15
"""Per cent that reads may be slower (issue 6)."""
PATIENT = "p1"
STATUS = {"read": 200, "search": 200, "create": 201}
_numbers = count()


def run(_options: argparse.Namespace) -> None:
    """Prints one table: a row a kind of request."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        off, on = (
            running.enter_context(_server(Path(folder) / audit, audit)) for audit in ("off", "on")
        )
        rows = [_row(kind, (off, on)) for kind in STATUS]
        began_s = time.monotonic()
        backlog = _backlog(on)
        delivering = _delivering(on)
        while _backlog(on):
            time.sleep(0.1)  # between two looks at another process's work
        drained_s = time.monotonic() - began_s
    head = ("request", "off, 1/s", "on, 1/s", "throughput", "off, p99 ms", "on, p99 ms", "p99")
    head += ("off, CPU µs", "on, CPU µs", "API's CPU", "delivery, CPU µs")
    print(table(head, rows))
    print(
        f"\nMedians of {ROUNDS} rounds of {SECONDS:g} s of each server in turn, {CONNECTIONS} connections, one API process; "
        f"processor time: medians of {CPU_ROUNDS} times {REQUESTS} requests over one connection. Asked: reads at most {ASKED} % "
        f"lower. At the end {backlog / 2**20:.1f} MiB of accesses waited; they were delivered within {drained_s:.0f} s "
        f"({delivering:.0f} s of processor time in all)."
    )


def _row(kind: str, servers: Sequence[Deployment]) -> tuple[str, ...]:
    rates: list[list[float]] = [[], []]
    worst_ms: list[list[float]] = [[], []]
    for number in range(ROUNDS):
        for which in (0, 1) if number % 2 else (1, 0):
            took_s = _round(servers[which], kind)
            rates[which].append(len(took_s) / SECONDS)
            worst_ms[which].append(percentile(took_s, 0.99) * 1e3)
    rate = [statistics.median(one) for one in rates]
    p99 = [statistics.median(one) for one in worst_ms]
    cpu_us, delivery_us = _cpu_us(servers, kind)
    return (
        kind,
        *(f"{one:.0f}" for one in rate),
        _more(rate),
        *(f"{one:.2f}" for one in p99),
        _more(p99),
        *(f"{one:.0f}" for one in cpu_us),
        _more(cpu_us),
        f"{delivery_us:.0f}",
    )


def _round(server: Deployment, kind: str) -> list[float]:
    """Latencies in seconds of all requests of a round."""

    def client() -> list[float]:
        took_s = []
        with Connection(server.port, status=STATUS[kind]) as connection:
            until_s = time.perf_counter() + SECONDS
            while (began_s := time.perf_counter()) < until_s:
                connection.body(_request(server, kind))
                took_s.append(time.perf_counter() - began_s)
        return took_s

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        clients = [threads.submit(client) for _ in range(CONNECTIONS)]
        return [one for done in clients for one in done.result()]


def _cpu_us(servers: Sequence[Deployment], kind: str) -> tuple[list[float], float]:
    """Of the API process, off and on, for one request; and of the delivery of one, once it has caught up."""
    took_us: list[list[float]] = [[], []]
    delivered_us = []
    for _ in range(CPU_ROUNDS):
        for which, server in enumerate(servers):
            (api,) = server.processes("api")
            while which and _backlog(server):
                time.sleep(0.05)  # between two looks at another process's work
            before_s, delivering_s = _seconds(api), _delivering(server)
            with Connection(server.port, status=STATUS[kind]) as connection:
                for _ in range(REQUESTS):
                    connection.body(_request(server, kind))
            took_us[which].append((_seconds(api) - before_s) * 1e6 / REQUESTS)
            while which and _backlog(server):
                time.sleep(0.05)  # as above
            if which:
                delivered_us.append((_delivering(server) - delivering_s) * 1e6 / REQUESTS)
    return [statistics.median(one) for one in took_us], statistics.median(delivered_us)


def _request(server: Deployment, kind: str) -> bytes:
    body = b""
    if kind == "create":
        name = [{"family": f"Family{next(_numbers)}"}]
        body = json.dumps({"resourceType": "Patient", "name": name}).encode()
    line = {
        "read": f"GET /fhir/Patient/{PATIENT}",
        "search": f"GET /fhir/Patient?_id={PATIENT}",
        "create": "POST /fhir/Patient",
    }[kind]
    rows = (
        f"{line} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Authorization: Bearer {OPERATOR_TOKEN}",
        "Content-Type: application/fhir+json",
        f"Content-Length: {len(body)}",
    )
    return ("\r\n".join(rows) + "\r\n\r\n").encode() + body


@contextmanager
def _server(folder: Path, audit: str) -> Iterator[Deployment]:
    deployment = Deployment(
        folder, arguments=("--no-worker",), settings={"HEALTHVISION_AUDIT": audit}
    )
    deployment.start()
    try:
        with deployment.client() as client:
            client.put(f"/Patient/{PATIENT}", json={"resourceType": "Patient", "id": PATIENT})
        yield deployment
    finally:
        deployment.kill()


def _backlog(server: Deployment) -> int:
    """Bytes of journals that are not delivered."""
    folder = server.data_dir / "audit" / "journal"
    return JournalFiles(folder).backlog_bytes() if folder.is_dir() else 0


def _delivering(server: Deployment) -> float:
    return sum(_seconds(one) for one in server.processes("deliver"))


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _more(pair: Sequence[float]) -> str:
    return f"{(pair[1] / pair[0] - 1) * 100:+.0f} %"
