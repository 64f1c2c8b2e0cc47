"""What is no proper request, comes too slowly, is too long or one too many: RFC 9112, RFC 9110 section 15.5, RFC 6585."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import uvicorn

from healthvision.http_protocol import HttpLimits, bounded_protocol

HELLO = b"GET /fhir HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        tree = orjson.loads(self.body)
        assert tree["resourceType"] == "OperationOutcome"
        return str(tree["issue"][0]["code"])


class Server:
    """An application under our protocol; ``go_on`` lets its answers go."""

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.entered = 0
        self.bodies: list[bytes] = []
        self.size = 2
        self.reads = True

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.entered += 1
        body = b""
        while self.reads:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        await self.go_on.wait()
        length = str(self.size).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
        )
        for _ in range(self.size // 65536):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        rest = b"x" * (self.size % 65536)
        await send({"type": "http.response.body", "body": rest, "more_body": False})

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def ask(self, *parts: bytes) -> Answer | None:
        async with self.connected() as (reader, writer):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await answer(reader)


async def answer(reader: asyncio.StreamReader) -> Answer | None:
    """The next answer; None where the connection ends without one."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(lines[0].split()[1]), headers, body)


Start = Callable[[HttpLimits], Awaitable[Server]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running = []

    async def started(limits: HttpLimits) -> Server:
        here = Server(limits)
        config = uvicorn.Config(
            here.app,
            interface="asgi3",
            port=0,
            lifespan="off",
            http=bounded_protocol(limits),
            log_config=None,
            ws="none",
        )
        server = uvicorn.Server(config)
        running.append((here, server, asyncio.create_task(server.serve())))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)
        here.port = server.servers[0].sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return here

    yield started
    for here, server, serving in running:
        here.go_on.set()
        server.should_exit = True
        await serving


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /fhir HTTP/9.9\r\n\r\n",
        b"GET /fhir/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /fhir HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /fhir HTTP/1.1\r\nA\x00: x\r\n\r\n",
        b"POST /fhir HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /fhir HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /fhir HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /fhir HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_an_outcome_and_the_end(start: Start, sent: bytes) -> None:
    server = await start(HttpLimits())
    found = await server.ask(sent)
    assert found is not None
    assert (found.status, found.code, found.headers["connection"]) == (400, "structure", "close")
    assert (await server.ask(HELLO)).status == 200


async def test_a_head_may_be_as_long_as_the_limit_and_no_longer(start: Start) -> None:
    """RFC 6585 section 5"""
    server = await start(HttpLimits(head_bytes=2000))

    def head(size: int) -> bytes:
        # The URL, and each header with its colon, blank and line end.
        return b"GET /fhir HTTP/1.1\r\nA: " + b"x" * (size - len("/fhir") - 5) + b"\r\n\r\n"

    assert (await server.ask(head(2000))).status == 200
    found = await server.ask(head(2001))
    assert (found.status, found.code) == (431, "too-long")
    endless = [b"GET /fhir HTTP/1.1\r\nA: ", *([b"x" * 1000] * 4)]
    async with server.connected() as (reader, writer):
        for part in endless:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        found = await answer(reader)
        assert found is None or found.status == 431
    assert server.entered == 1


async def test_a_head_that_does_not_come_is_408_whatever_drips(start: Start) -> None:
    server = await start(HttpLimits(patience_s=0.3))
    async with server.connected() as (reader, writer):

        async def drip() -> None:
            for byte in HELLO[:-2]:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        found = await answer(reader)
        assert (found.status, found.code) == (408, "timeout")
        dripping.cancel()


async def test_a_connection_on_which_nothing_comes_is_closed(start: Start) -> None:
    server = await start(HttpLimits(patience_s=0.2))
    for sent in (b"", b"\r\n"):
        assert await server.ask(sent) is None
    async with server.connected() as (reader, writer):
        writer.write(HELLO)
        assert (await answer(reader)).status == 200
        writer.write(b"\r\n")
        assert await answer(reader) is None


async def test_a_body_that_drips_is_408_and_one_that_flows_is_read(start: Start) -> None:
    server = await start(HttpLimits(patience_s=0.2))
    head = b"POST /fhir HTTP/1.1\r\nContent-Length: 2000\r\n\r\n"
    found = await server.ask(head, b"x")
    assert (found.status, found.code) == (408, "timeout")
    async with server.connected() as (reader, writer):
        writer.write(head)
        for _ in range(10):
            writer.write(b"x" * 200)
            await asyncio.sleep(0.05)
        assert (await answer(reader)).status == 200


async def test_an_answer_under_way_takes_as_long_as_it_takes(start: Start) -> None:
    server = await start(HttpLimits(patience_s=0.1))
    server.go_on.clear()
    asking = asyncio.create_task(server.ask(HELLO))
    await asyncio.sleep(0.4)
    server.go_on.set()
    assert (await asking).status == 200


async def test_a_reader_who_does_not_read_is_left(start: Start) -> None:
    server = await start(HttpLimits(patience_s=0.3))
    server.size = 64 * 2**20
    async with server.connected() as (reader, writer):
        writer.write(HELLO)
        await asyncio.sleep(1.5)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(server.size)


async def test_one_request_too_many_is_503_and_the_others_go_on(start: Start) -> None:
    server = await start(HttpLimits(requests=2))
    server.go_on.clear()
    first = [asyncio.create_task(server.ask(HELLO)) for _ in range(2)]
    while server.entered < 2:  # noqa: ASYNC110 - counted in the application
        await asyncio.sleep(0.01)
    found = await server.ask(HELLO)
    assert (found.status, found.code, found.headers["retry-after"]) == (503, "transient", "1")
    server.go_on.set()
    assert [(await one).status for one in first] == [200, 200]
    assert (await server.ask(HELLO)).status == 200


async def test_requests_in_a_row_on_one_connection_are_answered_in_order(start: Start) -> None:
    """RFC 9112 section 9.3.2"""
    server = await start(HttpLimits(head_bytes=100, patience_s=5))
    async with server.connected() as (reader, writer):
        body = b"POST /fhir HTTP/1.1\r\nContent-Length: 500\r\n\r\n" + b"x" * 500
        writer.write(body * 3 + HELLO[:10])
        await writer.drain()
        writer.write(HELLO[10:])
        assert [(await answer(reader)).status for _ in range(4)] == [200] * 4


OFFER = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
)


@pytest.mark.parametrize("size", [0, 3, 70_000, 2_000_000])
async def test_a_request_that_offers_http2_keeps_its_body_and_its_connection(
    start: Start, size: int
) -> None:
    """RFC 9110 section 7.8: an offer may be ignored, the request may not. Each JDK's HttpClient makes this one."""
    server = await start(HttpLimits())
    body = b"GET /x HTTP/1.1\r\n\r\n"[:size].ljust(size, b"x")
    head = b"POST /fhir HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n" % (OFFER, size)

    async with server.connected() as (reader, writer):
        for sent in (head + body, HELLO, head + body + HELLO):
            writer.write(sent)
        answers = [await answer(reader) for _ in range(4)]

    assert [one.status for one in answers if one] == [200] * 4
    assert server.bodies == [body, b"", body, b""]


async def test_an_offer_is_read_however_it_is_cut_and_with_a_chunked_body(start: Start) -> None:
    server = await start(HttpLimits())
    sent = b"POST /fhir HTTP/1.1\r\nHost: x\r\n%bTransfer-Encoding: chunked\r\n\r\n" % OFFER
    sent += b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    for at in range(1, len(sent)):
        answered = await server.ask(sent[:at], sent[at:])
        assert answered is not None
        assert answered.status == 200

    assert set(server.bodies) == {b"abcde"}


async def test_connect_is_refused_at_once(start: Start) -> None:
    server = await start(HttpLimits())

    refused = await server.ask(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n" + OFFER + b"\r\n")

    assert refused is not None
    assert (refused.status, refused.code, server.entered) == (400, "structure", 0)


@pytest.mark.parametrize("size", [70_000, 30_000_000])
async def test_who_is_still_sending_gets_the_answer_before_the_end(start: Start, size: int) -> None:
    """RFC 9112 section 9.6: a server that closes at once may reset the connection before its answer is read."""
    server = await start(HttpLimits())
    server.reads = False
    head = b"POST /fhir HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"

    async with server.connected() as (reader, writer):
        writer.write(head % size + b"x" * size)
        await writer.drain()
        answered = await answer(reader)
        rest = await reader.read()

    assert answered is not None
    assert (answered.status, answered.headers["connection"], rest) == (200, "close", b"")


async def test_nonsense_without_end_is_refused_readably(start: Start) -> None:
    server = await start(HttpLimits())

    refused = await server.ask(b"GET /" + b"a" * 20_000_000)

    assert refused is not None
    assert (refused.status, refused.headers["connection"]) == (431, "close")


async def test_who_never_ends_is_left_when_the_patience_is_over(start: Start) -> None:
    server = await start(HttpLimits(patience_s=0.3))

    async with server.connected() as (reader, writer):
        writer.write(b"nonsense\r\n\r\n")
        assert await answer(reader) is not None
        with suppress(OSError):
            while True:
                writer.write(b"x" * 1000)
                await writer.drain()
                await asyncio.sleep(0.01)
