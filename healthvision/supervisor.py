"""Runs server and worker processes in the foreground, restarts those that die, and ends them together.

Each child's standard input is a pipe from here. When this process dies, even by SIGKILL, the pipe closes and the
child ends itself: nothing is left behind that holds the port or a Task.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

GRACE_S = 20.0
RESTART_DELAY_S = (0.2, 1.0, 2.0, 5.0, 10.0)
HEALTHY_AFTER_S = 30.0


@dataclass(slots=True)
class Child:
    """A process that has to run as long as the supervisor does."""

    name: str
    command: Sequence[str]
    pass_fds: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    started_at_s: float = 0.0
    restarts: int = 0
    start_again_at_s: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Children, and the signals that end them. ``report`` gets one line on each unexpected event."""

    environment: Mapping[str, str]
    report: Callable[[str], None]
    children: list[Child] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    kept_open: list[socket.socket] = field(default_factory=list)

    def add(self, name: str, arguments: Sequence[str], pass_fds: Sequence[int] = ()) -> None:
        """Adds ``healthvision ARGUMENTS`` as a child; ``run`` starts it."""
        command = [sys.executable, "-m", "healthvision", *arguments]
        self.children.append(Child(name, command, pass_fds))

    def keep_open(self, listener: socket.socket) -> None:
        """Keeps a socket that children inherit, also those that start again, until the run ends."""
        self.kept_open.append(listener)

    def start(self) -> None:
        """Starts every child."""
        for child in self.children:
            self._spawn(child)

    def run(self) -> None:
        """Watches the children until ``stop`` is called or a signal comes, then ends them in order."""
        while not self.stopping.wait(0.1):
            for child in self.children:
                self._watch(child)
        self._end()

    def stop(self, *_: object) -> None:
        """Asks ``run`` to end; usable as a signal handler."""
        self.stopping.set()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT end the run cleanly."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)

    def _spawn(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
            child.command,
            env=dict(self.environment),
            stdin=subprocess.PIPE,
            pass_fds=tuple(child.pass_fds),
            start_new_session=True,  # a terminal's Ctrl-C reaches the supervisor alone, which ends all in order
        )
        child.started_at_s = time.monotonic()

    def _watch(self, child: Child) -> None:
        now_s = time.monotonic()
        if child.process is None:
            if now_s >= child.start_again_at_s:
                self._spawn(child)
            return
        status = child.process.poll()
        if status is None:
            return
        self._release(child)
        if now_s - child.started_at_s > HEALTHY_AFTER_S:
            child.restarts = 0
        delay_s = RESTART_DELAY_S[min(child.restarts, len(RESTART_DELAY_S) - 1)]
        child.restarts += 1
        child.start_again_at_s = now_s + delay_s
        self.report(f"{child.name} ended with status {status}; it starts again in {delay_s:g} s")

    def _end(self) -> None:
        """Workers first, so that they can still tell the server what they give back; then the servers."""
        for child in reversed(self.children):
            if child.process is None:
                continue
            child.process.terminate()
            try:
                child.process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self.report(f"{child.name} did not end within {GRACE_S:g} s and was killed")
                child.process.kill()
                child.process.wait()
            self._release(child)
        for listener in self.kept_open:
            listener.close()

    @staticmethod
    def _release(child: Child) -> None:
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None


def end_with_parent() -> None:
    """Called in a child: ends this process at once when the supervisor is gone.

    At once is safe: what was acknowledged is on disk, and a Task's lease runs out.
    """

    def wait_for_end_of_input() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_end_of_input, name="end-with-parent", daemon=True).start()
