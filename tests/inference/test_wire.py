"""httpx over aiohttp: the same errors, nothing sent twice behind the caller's back, bodies in few pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from inference.wire import Wire

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: W/%s\r\n\r\n{}" % b'"4"'


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[tuple[httpx.AsyncClient, list[bytes]]]:
    """A server of bytes, the requests that it got, and a client of it."""
    seen: list[bytes] = []
    connections: list[asyncio.Task[None] | None] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionResetError):
                break
            seen.append(head)
            await serve(head, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with (
        listening,
        httpx.AsyncClient(
            transport=Wire(1), base_url=f"http://127.0.0.1:{port}", timeout=httpx.Timeout(5.0)
        ) as client,
    ):
        yield client, seen
    await asyncio.gather(*filter(None, connections))


async def test_requests_share_a_connection_and_headers_arrive_as_they_were_given() -> None:
    peers = set()

    async def serve(_head: bytes, writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername"))
        writer.write(OK)

    async with server(serve) as (client, seen):
        for _ in range(3):
            answer = await client.get(
                "/fhir/Task?code=a%7Cb", headers={"authorization": "Bearer x"}
            )
    assert (answer.status_code, answer.headers["etag"], answer.json()) == (200, 'W/"4"', {})
    assert len(peers) == 1
    assert seen[0].startswith(b"GET /fhir/Task?code=a%7Cb HTTP/1.1\r\n")
    assert b"authorization: bearer x\r\n" in seen[0].lower()


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_kept_connection_that_ends_over_a_request_is_an_error_and_no_second_request(
    method: str,
) -> None:
    """A guarded PUT may have been carried out: whether it is sent again, the caller decides."""

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/first" in head:
            writer.write(OK)
        else:
            writer.close()

    async with server(serve) as (client, seen):
        await client.get("/first")
        with pytest.raises(httpx.ReadError):
            await client.request(method, "/second")
    assert len(seen) == 2


async def test_a_body_that_breaks_off_is_an_error() -> None:
    async def serve(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nsome")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with server(serve) as (client, _):
        with pytest.raises(httpx.ReadError):
            await client.get("/")


async def test_a_server_that_stays_silent_is_a_read_timeout() -> None:
    async def serve(_head: bytes, _writer: asyncio.StreamWriter) -> None:
        return

    async with server(serve) as (client, _):
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/", timeout=httpx.Timeout(5.0, read=0.05))


async def test_nobody_there_is_a_connect_error() -> None:
    async with server(lambda *_: asyncio.sleep(0)) as (client, _):
        url = str(client.base_url)
    async with httpx.AsyncClient(transport=Wire(1)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_an_answer_that_is_left_unread_does_not_stand_in_the_way_of_the_next() -> None:
    large = 8 * 1024 * 1024

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/large" in head:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % large + bytes(large))
        else:
            writer.write(OK)

    async with server(serve) as (client, _):
        async with client.stream("GET", "/large") as answer:
            assert await anext(answer.aiter_raw())
        assert (await client.get("/small")).status_code == 200
