"""``healthvision serve``: one listening socket, API processes that share it, and a worker."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time

import httpx
import typer

from fhir_api.conformance.packages import PackageInvalid
from healthvision.audit import is_on
from healthvision.guides import guides_of
from healthvision.settings import LOOPBACK, Settings
from healthvision.supervisor import Supervisor
from healthvision.tls import tls_context

BIND_PATIENCE_S = 3.0
BACKLOG = 1024


def serve(settings: Settings, *, api_processes: int, with_worker: bool) -> int:
    """Serves until a signal. Answers the exit code: 0 after SIGTERM, 2 where the address cannot be had or an
    implementation guide cannot be used.
    """
    try:
        guides_of(settings)
    except PackageInvalid as error:
        typer.echo(str(error), err=True)
        return 2
    try:
        tls_context(settings)
    except OSError:
        typer.echo(
            "HEALTHVISION_TLS_CERT_FILE, HEALTHVISION_TLS_KEY_FILE: they cannot be read, or do not belong together.",
            err=True,
        )
        return 2
    supervisor = Supervisor(environment={}, report=lambda line: typer.echo(line, err=True))
    supervisor.handle_signals()
    try:
        running = start(settings, supervisor, api_processes=api_processes, with_worker=with_worker)
    except OSError as error:
        typer.echo(
            f"Cannot listen on {settings.host}:{settings.port}: {os.strerror(error.errno or 0)}.",
            err=True,
        )
        return 2
    threading.Thread(target=_announce, args=(running, supervisor), daemon=True).start()
    supervisor.run()
    return 0


def start(
    settings: Settings, supervisor: Supervisor, *, api_processes: int, with_worker: bool
) -> Settings:
    """Opens the socket and starts the children. Answers the settings with the port that was really taken."""
    listener = _listen(settings.host, settings.port)
    running = settings.model_copy(update={"port": listener.getsockname()[1]})
    supervisor.environment = running.child_environment()
    if is_on(running):
        supervisor.add("audit", ["audit", "deliver"])  # the first to start is the last to end
    for number in range(1, api_processes + 1):
        supervisor.add(
            f"api process {number}",
            ["api", "--socket-fd", str(listener.fileno())],
            [listener.fileno()],
        )
    if with_worker:
        supervisor.add("worker", ["worker", "--supervised", "--url", f"{local_url(running)}/fhir"])
    supervisor.start()
    # The children hold the socket; the listener stays open here so that one that starts again gets it too.
    supervisor.keep_open(listener)
    return running


def wait_until_ready(settings: Settings, timeout_s: float) -> bool:
    """Whether the server answered ``/readyz`` within the time."""
    deadline_s = time.monotonic() + timeout_s
    trusted = httpx.create_ssl_context()  # and SSL_CERT_FILE
    with httpx.Client(timeout=2.0, trust_env=False, verify=trusted) as client:
        while time.monotonic() < deadline_s:
            try:
                if client.get(f"{local_url(settings)}/readyz").status_code == httpx.codes.OK:
                    return True
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    return False


def local_url(settings: Settings) -> str:
    """The address at which this machine reaches the server, whatever proxy stands before it for others.

    With a certificate it is the public one, and this machine has to trust the certificate (SSL_CERT_FILE).
    """
    if settings.tls_cert_file:
        return settings.public_url  # as the certificate names it
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - a comparison
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _announce(settings: Settings, supervisor: Supervisor) -> None:
    if not wait_until_ready(settings, 60.0) or supervisor.stopping.is_set():
        return
    lines = [
        f"HealthVision serves FHIR R4 at {settings.public_url}/fhir   (REST: {settings.public_url}/docs)"
    ]
    if settings.host not in LOOPBACK and not settings.public_url.startswith("https://"):
        lines.append("It listens beyond this machine: put TLS in front of it.")
    if not settings.is_token_set:
        lines.append(f"Token (random, set HEALTHVISION_TOKEN to keep one): {settings.token}")
    typer.echo("\n".join(lines))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Waits a moment for a predecessor that was just killed to let go of the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline_s = time.monotonic() + BIND_PATIENCE_S
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)
        else:
            listener.set_inheritable(True)
            return listener
