"""``python -m benchmarks [NAME …]``: runs the benchmarks and prints their tables as Markdown."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    audit,
    existence,
    fhir_operations,
    fhir_peer,
    hostile,
    request_stages,
    scale,
    scoped,
    task_stages,
    tasks,
    upload_memory,
    validation,
)
from benchmarks.machine import described

QUESTIONS = {
    "fhir-operations": (fhir_operations.run, "FHIR operations under fhirload.py, and peak memory"),
    "fhir-peer": (fhir_peer.run, "FHIR operations beside a HAPI JPA server on PostgreSQL"),
    "request-stages": (request_stages.run, "Where a request's processor time goes"),
    "scoped": (scoped.run, "A verified, scoped request over an open one"),
    "audit": (audit.run, "Reads, searches and creates with the audit on against off"),
    "existence": (
        existence.run,
        "Whether an answer's time tells what is hidden from what is absent",
    ),
    "hostile": (hostile.run, "Cheap requests while searches that cannot be cheap go on"),
    "scale": (scale.run, "Searches on a million resources against ten thousand"),
    "tasks": (tasks.run, "Task to report, STAT behind a queue, backlog: against the bare model"),
    "task-stages": (task_stages.run, "Where a Task's processor time goes"),
    "validation": (
        validation.run,
        "Validation by size and kind of resource, and the invariants' share",
    ),
    "upload-memory": (upload_memory.run, "Memory of the API process under a large upload"),
}

LARGE = frozenset({"hostile", "scale"})
"""Asked only by name: each fills a store with a million resources (ten minutes, 5 GB), unless --scale-dir has it."""


def main() -> int:
    """Runs what was named, or everything but what is LARGE."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="; ".join(f"{n}: {t}" for n, (_, t) in QUESTIONS.items()),
    )
    parser.add_argument(
        "--fhirload",
        type=Path,
        default=Path("../shared/tools/fhirload.py"),
        help="the load program",
    )
    parser.add_argument(
        "--hapi",
        type=Path,
        default=Path("../shared/tools/hapi/hapi.sh"),
        help="the script that builds and runs the peer (Maven, Java 17, PostgreSQL)",
    )
    parser.add_argument(
        "--hapi-home",
        type=Path,
        default=Path(tempfile.gettempdir()) / "hapi-peer",
        help="where the peer is built and keeps its data",
    )
    parser.add_argument(
        "--api-processes", type=int, default=2, help="of ours, beside the peer (serve --workers)"
    )
    parser.add_argument("--seconds", type=float, default=10, help="of each FHIR operation")
    parser.add_argument("--backlog", type=int, default=500, help="Tasks of the backlog")
    parser.add_argument(
        "--scale-dir",
        type=Path,
        help="where the stores of 'scale' and 'hostile' stay for the next time",
    )
    parser.add_argument("--scale-requests", type=int, default=300, help="of each search")
    parser.add_argument("--upload-mib", type=int, default=2048, help="size of the upload")
    options = parser.parse_args()
    unknown = set(options.names) - set(QUESTIONS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print(described())
    for name in options.names or [name for name in QUESTIONS if name not in LARGE]:
        run, title = QUESTIONS[name]
        print(f"\n## {title}\n", flush=True)
        run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
