"""(a) The FHIR operations under the load program that every FHIR server is measured with, and the peak memory."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import table
from benchmarks.memory import watched
from tests.deployment import OPERATOR_TOKEN, Deployment


def run(options: argparse.Namespace) -> None:
    """Prints requests a second, latencies and errors of each operation."""
    if not options.fhirload.exists():
        print(f"skipped: there is no load program at {options.fhirload} (--fhirload)")
        return
    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(Path(folder) / "data", arguments=("--no-worker",))
        deployment.start()
        try:
            processes = deployment.processes("api")
            with watched(processes) as peak:
                result = _load(options, deployment, [one.pid for one in processes], Path(folder))
        finally:
            deployment.kill()
    rows = [
        (
            r["op"],
            f"{r['per_s']:.0f}",
            *(f"{r[q]:.1f}" for q in ("p50", "p95", "p99")),
            f"{r['server_ms']:.2f}",
            r["errors"],
        )
        for r in result["rows"]
    ]
    print(
        table(("operation", "req/s", "p50 ms", "p95 ms", "p99 ms", "server CPU ms", "errors"), rows)
    )
    print(
        f"\nOne API process, {result['concurrency']} connections, {result['seconds']} s an operation, durable writes, "
        f"validation and authentication on; the client runs on the same cores. "
        f"Peak memory of the API process: {peak.peak_mib:.0f} MiB."
    )


def _load(
    options: argparse.Namespace, deployment: Deployment, pids: list[int], folder: Path
) -> dict[str, object]:
    out = folder / "fhirload.json"
    command = [sys.executable, str(options.fhirload), deployment.fhir, "--token", OPERATOR_TOKEN]
    command += ["--seconds", str(options.seconds), "--json", str(out)]
    for pid in pids:
        command += ["--pid", str(pid)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return dict(json.loads(out.read_text()))
