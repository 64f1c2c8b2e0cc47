"""A real deployment for tests and benchmarks: ``healthvision serve`` as processes on loopback, to talk to and to kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

OPERATOR_TOKEN = "operator-token-of-a-test"
WORKER_TOKEN = "worker-token-of-a-test"
READY_S = 60.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Deployment:
    """One server with its data folder; it may be started again and again on the same data."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def fhir(self) -> str:
        return f"{self.url}/fhir"

    def environment(self) -> dict[str, str]:
        """What its processes have in theirs, and a command on its data."""
        return {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith("HEALTHVISION_")
            },
            "HEALTHVISION_PORT": str(self.port),
            "HEALTHVISION_DATA_DIR": str(self.data_dir),
            "HEALTHVISION_TOKEN": OPERATOR_TOKEN,
            "HEALTHVISION_WORKER_TOKEN": WORKER_TOKEN,
            **self.settings,
        }

    def start(self, *, wait: bool = True) -> None:
        """Starts ``healthvision serve``; with ``wait``, returns when it is ready."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "healthvision", "serve", *self.arguments],
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + READY_S
        while time.monotonic() < deadline_s:
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            try:
                if httpx.get(f"{self.url}/readyz", trust_env=False, timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"not ready within {READY_S} s\n{self.log()}")

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL of everything, as a power cut would."""
        for process in self.processes():
            kill_one(process)
        if self.process is not None:
            self.process.wait(30)

    def processes(self, part: str = "") -> list[psutil.Process]:
        """Supervisor and children, or those of them with ``part`` among their arguments (``api``, ``worker``)."""
        if self.process is None or self.process.poll() is not None:
            return []
        try:
            root = psutil.Process(self.process.pid)
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        return [one for one in family if not part or part in _arguments(one)]

    def client(self, **options: object) -> httpx.Client:
        """An operator's client of ``/fhir``."""
        return httpx.Client(
            base_url=self.fhir,
            headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"},
            timeout=30.0,
            trust_env=False,
            **options,  # type: ignore[arg-type]
        )

    def log(self) -> str:
        """What the processes have printed."""
        return (self.data_dir / "serve.log").read_text(errors="replace")


def kill_one(process: psutil.Process) -> None:
    """SIGKILL of one process, which may be gone already."""
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
