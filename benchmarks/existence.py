"""Whether the time of an answer tells a resource that is hidden from one that is absent.

The app of one patient reads another's resource, and ids that were never used. Both answers are the same 404. How well an
attacker could tell them apart by one answer's time: the chance that a hidden one takes longer than an absent one (0.50:
not at all).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path

from benchmarks import scoped
from benchmarks.machine import percentile, table
from benchmarks.scoped import Connection, Kind
from tests.deployment import Deployment

WARM_UP, PAIRS = 500, 5000
PLACES = (
    ("Patient", "p1", "absent"),
    ("Observation", "p1-1", "absent-1"),
    ("Observation", "p1-1/_history/1", "absent-1/_history/1"),
    ("Observation", "p1-1/_history", "absent-1/_history"),
    ("Patient", "?identifier=urn:mrn|p1", "?identifier=urn:mrn|absent"),
    ("Observation", "?subject=Patient/p1", "?subject=Patient/absent"),
    ("Observation", "?_id=p1-1", "?_id=absent"),
)
"""Type, what is hidden, and what was never there."""


def run(_options: argparse.Namespace) -> None:
    """Prints one table: a row a place."""
    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(Path(folder) / "data", arguments=("--no-worker",))
        deployment.start()
        try:
            own, _ = scoped.filled(deployment)
            token = scoped.patients_token(deployment, own)
            rows = [_row(deployment, token, *place) for place in PLACES]
        finally:
            deployment.kill()
    head = ("read", "hidden, p50 µs", "absent, p50 µs", "absent again, p50 µs", "hidden takes longer", "absent again does")  # fmt: skip
    print(table(head, rows))
    print(
        f"\n{PAIRS} requests of each, in turn over one connection on loopback; 'takes longer': the share of pairs with an "
        "absent one in which it does, half of the ties. 'absent again' is another absent id: what noise alone looks like."
    )


def _row(
    deployment: Deployment, token: str, type: str, hidden: str, absent: str
) -> tuple[str, ...]:
    paths = (hidden, absent, absent.replace("absent", "never"))
    requests = [
        scoped.request_of(
            deployment, Kind(path, f"{type}{path}" if path[0] == "?" else f"{type}/{path}"), token
        )
        for path in paths
    ]
    took_us: list[list[float]] = [[] for _ in requests]
    with Connection(deployment.port, status=200 if hidden[0] == "?" else 404) as connection:
        if hidden[0] != "?":
            bodies = {connection.body(request) for request in requests}
            assert len(bodies) == 1, "the answers differ"
        for number in range(WARM_UP + PAIRS):
            for turn in range(len(requests)):
                which = (turn + number) % len(requests)
                began_s = time.perf_counter()
                connection.body(requests[which])
                if number >= WARM_UP:
                    took_us[which].append((time.perf_counter() - began_s) * 1e6)
    return (
        f"{type}/{hidden.replace('p1', 'x')}",
        *(f"{percentile(one, 0.5):.1f}" for one in took_us),
        f"{_share_longer(took_us[0], took_us[1]):.3f}",
        f"{_share_longer(took_us[2], took_us[1]):.3f}",
    )


def _share_longer(these: Sequence[float], those: Sequence[float]) -> float:
    """Of all pairs, those in which the first is longer, and half of those in which both are the same."""
    ordered = sorted(those)
    below = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in these)
    return below / (2 * len(these) * len(those))
