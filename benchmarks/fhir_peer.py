"""The FHIR operations on ours and on a HAPI JPA server with PostgreSQL, one after the other on the same cores."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.machine import table
from tests.deployment import OPERATOR_TOKEN, Deployment, free_port

FASTER, LIGHTER = 3.0, 3.0
"""What is asked: so many times the requests a second in every row, at most this part of the memory."""

HAPI_READY_S = 900.0
"""With the build of the first use, which fetches 300 MB."""

Rows = dict[str, dict[str, Any]]
"""Operation → what the load program measured."""


@dataclass(frozen=True, slots=True)
class Load:
    """One run of the load program."""

    rows: Rows
    memory_mib: int
    """Proportional set size of the server's processes when the load ended: shared pages count once."""


def run(options: argparse.Namespace) -> None:
    """Prints both sides' requests a second and p99 for each operation, and their memory.

    Each side starts with an empty store and is warmed by one whole run. Neither keeps an audit. HAPI flushes after each JSON field, which
    ``--gzip`` hides, so it is measured with and without, and counts by its better figure in each cell.
    """
    for program in (options.fhirload, options.hapi):
        if not program.exists():
            print(f"skipped: there is no {program} (--fhirload, --hapi)")
            return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _ours(folder, options.api_processes) as (url, pids):
            _load(options, folder, url, pids, "--token", OPERATOR_TOKEN)
            ours = _load(options, folder, url, pids, "--token", OPERATOR_TOKEN)
        with _hapi(folder, options) as (url, pids):
            _load(options, folder, url, pids)
            theirs = [_load(options, folder, url, pids, *gzip) for gzip in ((), ("--gzip",))]
    _print(options, ours, theirs)


@contextmanager
def _ours(folder: Path, api_processes: int) -> Iterator[tuple[str, list[int]]]:
    arguments = ("--no-worker", "--workers", str(api_processes))
    # The peer keeps no audit; what ours costs is the question of ``benchmarks/audit.py``.
    settings = {"HEALTHVISION_AUDIT": "off"}
    deployment = Deployment(folder / "data", arguments=arguments, settings=settings)
    deployment.start()
    try:
        assert deployment.process is not None
        yield deployment.fhir, [deployment.process.pid]
    finally:
        deployment.kill()


@contextmanager
def _hapi(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, list[int]]]:
    """HAPI's base URL and the processes of Java and PostgreSQL."""
    port, log = free_port(), folder / "hapi.log"
    environment = {
        **os.environ,
        "HAPI_FRESH": "1",
        "HAPI_HOME": str(options.hapi_home.resolve()),
        "HAPI_PG_PORT": str(free_port()),
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["bash", str(options.hapi), str(port)],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}/fhir"
        _wait_until_ready(url, server, log)
        pids = re.findall(r"^(?:java|postgres) pid (\d+)", log.read_text(), re.MULTILINE)
        yield url, [int(pid) for pid in pids]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(120)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + HAPI_READY_S
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            if (
                httpx.get(f"{url}/metadata", trust_env=False, timeout=60).status_code
                == httpx.codes.OK
            ):
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise RuntimeError(f"HAPI did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _load(
    options: argparse.Namespace, folder: Path, url: str, pids: Sequence[int], *arguments: str
) -> Load:
    out = folder / "fhirload.json"
    command = [sys.executable, str(options.fhirload), url, "--json", str(out), *arguments]
    command += ["--seconds", str(options.seconds)]
    for pid in pids:
        command += ["--pid", str(pid)]
    subprocess.run(command, check=False, stdout=sys.stderr)  # wrong answers are counted in its rows
    result = json.loads(out.read_text())
    out.unlink()
    rows = {row["op"]: row for row in result["rows"]}
    return Load(rows, sum(mib for _, mib in result["memory_mb"]))


def _print(options: argparse.Namespace, ours: Load, theirs: Sequence[Load]) -> None:
    rows, missed = [], []
    for operation, mine in ours.rows.items():
        per_s = max(load.rows[operation]["per_s"] for load in theirs)
        p99_ms = min(load.rows[operation]["p99"] for load in theirs)
        ratio = mine["per_s"] / per_s
        if ratio < FASTER or mine["p99"] >= p99_ms:
            missed.append(operation)
        errors = (mine["errors"], sum(load.rows[operation]["errors"] for load in theirs))
        rows.append(
            (
                operation,
                f"{mine['per_s']:.0f}",
                f"{per_s:.0f}",
                f"{ratio:.1f}",
                f"{mine['p99']:.1f}",
                f"{p99_ms:.1f}",
                f"{mine['server_ms']:.2f}",
                f"{min(load.rows[operation]['server_ms'] for load in theirs):.2f}",
                "{} / {}".format(*errors),
            )
        )
    head = ("operation", "req/s", "HAPI", "times", "p99 ms", "HAPI", "CPU ms", "HAPI", "errors")
    print(table(head, rows))
    hapi_mib = min(load.memory_mib for load in theirs)
    print(
        f"\n8 connections, {options.seconds:g} s an operation, the client on the same cores. Ours: {options.api_processes} "
        f"API processes, durable writes, validation and authentication on. Memory (PSS) after the load: ours "
        f"{ours.memory_mib} MiB, HAPI with PostgreSQL {hapi_mib} MiB: {hapi_mib / ours.memory_mib:.1f} times."
    )
    if hapi_mib < LIGHTER * ours.memory_mib:
        missed.append("memory")
    print(f"Not reached: {', '.join(missed) or 'nothing'}.")
