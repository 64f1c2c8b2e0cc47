"""Asks whether a locked dependency is known to be vulnerable (pip-audit), where anybody is there to ask.

``make check`` runs it. Exit code 1 where one is. Without a service that knows (offline, or behind a mirror that serves
packages only) it says so and ends with 0: a check that cannot be made does not fail.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCK = Path(__file__).with_name("run.lock")
TIMEOUT_S = "3"


def audited(requirements: Path) -> list[dict[str, Any]] | None:
    """What pip-audit found of each requirement; None where nobody could be asked."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"),
            *("--timeout", TIMEOUT_S, "--disable-pip", "--no-deps", "--requirement", requirements),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return None
    return found if any("vulns" in one for one in found) else None


def main() -> int:
    pinned = [line.split()[0] for line in LOCK.read_text("utf-8").splitlines() if "==" in line]
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.txt")
        probe.write_text(pinned[0], "utf-8")
        found = audited(LOCK) if audited(probe) is not None else None
    if found is None:
        print("pip-audit: not done, no service that knows vulnerabilities can be reached from here")
        return 0
    bad = [(one["name"], one["version"], v["id"]) for one in found for v in one.get("vulns", ())]
    for name, version, id in bad:
        print(f"{name} {version}: {id}")
    print(f"pip-audit: {len(bad)} known vulnerabilities in {len(found)} locked packages")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
