"""HTTP/1.1 as uvicorn speaks it, with patience bounded: for long heads, slow senders, slow readers and crowds.

What is refused before it is a request is refused as the rest of the house does: with an OperationOutcome.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fhir_api.asgi import Receive, Scope, Send
from fhir_api.errors import Category, FhirError
from fhir_api.http import Response, error_response
from healthvision.headers import ALWAYS
from healthvision.lingering import LingeringTransport
from healthvision.request_parser import PlainParser

_log = logging.getLogger("uvicorn.error.connections")
_log.setLevel(logging.ERROR)

SLOWEST_BYTES_PER_S = 512
"""A body that comes in more slowly than this has been given up by its sender, or is meant to hold a place."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one API process puts up with."""

    head_bytes: int = 64 * 1024
    """Request line and headers together."""
    patience_s: float = 30.0
    """For a whole head, for each stretch of a body, and for a reader who does not read."""
    requests: int = 1000
    """Under way at once."""


def bounded_protocol(limits: HttpLimits) -> type[BoundedProtocol]:
    """What ``uvicorn.Config(http=…)`` takes: a class, of which it makes one for each connection."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    limits = HttpLimits()

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **named)
        # What strangers send is no event of ours: uvicorn would warn of each malformed request.
        self.logger = _log
        # Parser and transport have what uvicorn uses of its own.
        self.parser: PlainParser = PlainParser(self)  # type: ignore[assignment]
        self._is_message_open = False
        self._is_head_open = True
        self._is_nonsense = False
        self._head_bytes = 0
        self._bytes_in_stretch = 0
        self._sender_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        lingering = LingeringTransport(transport, self._is_sending, self.limits.patience_s)
        self._connection = lingering
        super().connection_made(lingering)  # type: ignore[arg-type]
        self._wait_for_sender()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._sender_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()
        self._connection.lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._bytes_in_stretch += len(data)
        goes_on = self._is_message_open and self._is_head_open
        super().data_received(data)
        if self.transport.is_closing():
            return
        if goes_on and self._is_head_open:
            # The parser keeps what it has of a line to itself, so what came is counted.
            self._head_bytes += len(data)
            self._bound_head()
        if self._sender_timer is None and (self._is_message_open or self._is_idle()):
            self._wait_for_sender()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_message_open = self._is_head_open = True
        self._head_bytes = self._bytes_in_stretch = 0

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # it comes again without the offer; CONNECT is refused by the parser
        self._head_bytes = len(self.url) + sum(
            len(name) + len(value) + 4 for name, value in self.headers
        )
        self._bound_head()
        self._is_head_open = False
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._is_message_open = False
        if self._sender_timer is not None:
            self._sender_timer.cancel()
            self._sender_timer = None
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(FhirError(Category.STRUCTURE, "This is not HTTP/1.1 as RFC 9112 has it."))

    def _unsupported_upgrade_warning(self) -> None:
        """CONNECT, the one method that ends at its head: this is no proxy."""
        self.send_400_response("")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_timer = self.loop.call_later(self.limits.patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own
        crowded = len(self.tasks) >= self.limits.requests
        refusal: Any = _too_many
        super()._start_asgi_task(cycle, refusal if crowded else app)

    def _bound_head(self) -> None:
        if self._head_bytes > self.limits.head_bytes:
            text = f"The head of a request has at most {self.limits.head_bytes} bytes."
            self._refuse(FhirError(Category.HEAD_TOO_LONG, text, "http.headers"))

    def _wait_for_sender(self) -> None:
        self._bytes_in_stretch = 0
        self._sender_timer = self.loop.call_later(self.limits.patience_s, self._sender_is_late)

    def _sender_is_late(self) -> None:
        self._sender_timer = None
        if self.transport.is_closing():
            return
        if not self._is_message_open:
            if self._is_idle():
                self.transport.close()
            return
        least = SLOWEST_BYTES_PER_S * self.limits.patience_s
        is_ours = not self._is_head_open and self.flow.read_paused
        if is_ours or (not self._is_head_open and self._bytes_in_stretch >= least):
            self._wait_for_sender()
            return
        text = f"The request did not come within {self.limits.patience_s:g} s."
        self._refuse(FhirError(Category.SLOW, text))

    def _is_sending(self) -> bool:
        """Whether there may be more of what we do not want to read."""
        return self._is_message_open or self._is_nonsense

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, error: FhirError) -> None:
        """Answers where an answer can still be told from another one, and closes the connection."""
        under_way = not self._is_idle()
        is_anothers = under_way and (self._is_head_open or bool(self.pipeline))
        if not is_anothers and not (under_way and self.cycle.response_started):
            self.transport.write(_raw(error_response(error)))
        self._is_nonsense = True
        self.transport.close()


def _raw(response: Response) -> bytes:
    status = HTTPStatus(response.status)
    rows = [
        *((name.encode(), value.encode()) for name, value in response.headers),
        *ALWAYS,
        (b"content-length", b"%d" % len(response.body)),
        (b"connection", b"close"),
    ]
    lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode()), *(b": ".join(r) for r in rows)]
    return b"\r\n".join([*lines, b"", response.body])


async def _too_many(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The answer where the process has all that it can do."""
    error = FhirError(
        Category.TRANSIENT,
        "The server has too many requests under way; try again.",
        headers=(("Retry-After", "1"), ("Connection", "close")),
    )
    response = error_response(error)
    rows = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    rows += [*ALWAYS, (b"content-length", b"%d" % len(response.body))]
    await send({"type": "http.response.start", "status": response.status, "headers": rows})
    await send({"type": "http.response.body", "body": response.body})
