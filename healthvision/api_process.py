"""One API process: the composed application under uvicorn, on a socket that was opened before it started."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket

import uvicorn
import uvloop

from healthvision import logs
from healthvision.app import build_app
from healthvision.http_protocol import HttpLimits, bounded_protocol
from healthvision.settings import Settings
from healthvision.supervisor import end_with_parent
from healthvision.tls import tls_context

GRACE_S = 10
KEEP_ALIVE_S = 75

YOUNG_OBJECTS = 10_000
"""So many new containers are there before the garbage collector looks for circles among them. Python's 700 are made by a
handful of requests, which leave none behind: looking that often took a twelfth of their time."""


def run(settings: Settings, socket_fd: int) -> None:
    """Serves until SIGTERM: finishes the requests under way, closes the store, ends."""
    end_with_parent()
    logs.configure(settings.log_level, process="api")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, socket.socket(fileno=socket_fd)))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    app = build_app(settings)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 10)
    config = uvicorn.Config(
        app,
        http=bounded_protocol(
            HttpLimits(settings.header_limit_bytes, settings.patience_s, settings.request_limit)
        ),
        ws="none",
        lifespan="off",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    config.ssl = tls_context(settings)
    server = uvicorn.Server(config)
    # uvicorn raises the signal that ended it once more, for whoever had a handler before: nothing may cut off what
    # ends the application.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    async with app:
        await server.serve(sockets=[listener])
