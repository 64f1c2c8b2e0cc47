"""Ranges of a Binary's bytes: RFC 9110 section 14."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_api.api import Api
from tests.fhir_api.client import Client, Reply

BYTES = bytes(range(100))


async def stored(client: Client, content: bytes = BYTES) -> str:
    made = await client.post("Binary", content, content_type="image/png", prefer="return=minimal")
    return "/".join(made.header("location").split("/")[-4:-2])


async def bytes_of(reply: Reply) -> bytes:
    if reply.response.stream is None:
        return reply.body
    return b"".join([chunk async for chunk in reply.response.stream])


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=90-", 90, 100),
        ("bytes=-10", 90, 100),
        ("bytes=-1000", 0, 100),
        ("bytes=99-99", 99, 100),
        ("bytes=50-1000000000000000", 50, 100),
        ("BYTES=0 - 0", 0, 1),
    ],
)
async def test_one_range_is_206(client: Client, asked: str, start: int, end: int) -> None:
    reply = await client.get(await stored(client), range=asked)
    assert (reply.status, await bytes_of(reply)) == (206, BYTES[start:end])
    assert reply.header("content-range") == f"bytes {start}-{end - 1}/100"
    assert reply.response.length == end - start
    assert (reply.header("content-type"), reply.etag) == ("image/png", 'W/"1"')


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-9,20-29",
        "bytes=9-0",
        "bytes=-",
        "bytes=a-b",
        "lines=0-9",
        "bytes",
        "",
        "bytes=" + "9" * 30,
    ],
)
async def test_what_is_no_single_range_is_answered_whole(client: Client, asked: str) -> None:
    reply = await client.get(await stored(client), range=asked)
    assert (reply.status, await bytes_of(reply)) == (200, BYTES)
    assert reply.header("accept-ranges") == "bytes"


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
async def test_a_range_after_the_end_is_416(client: Client, asked: str) -> None:
    reply = await client.get(await stored(client), range=asked)
    assert (reply.status, reply.header("content-range")) == (416, "bytes */100")


async def test_if_range_that_names_another_version_gets_all_of_it(client: Client) -> None:
    """RFC 9110 section 13.1.5"""
    url = await stored(client)
    modified = (await client.get(url)).header("last-modified")
    for known, status in (
        ('W/"1"', 206),
        ('"1"', 206),
        (modified, 206),
        ('W/"2"', 200),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 200),
        ("nonsense", 200),
    ):
        assert (await client.get(url, range="bytes=0-9", if_range=known)).status == status


async def test_a_range_of_a_large_binary_is_streamed_and_head_tells_all_of_it(api: Api) -> None:
    client = Client(replace(api, options=replace(api.options, stream_from_bytes=10)))
    url = await stored(client, BYTES * 30_000)
    reply = await client.get(url, range="bytes=1000000-1999999")
    assert await bytes_of(reply) == (BYTES * 30_000)[1_000_000:2_000_000]
    head = await client.ask("HEAD", url, range="bytes=0-9")
    assert (head.status, head.response.length) == (200, 3_000_000)


async def test_a_known_version_is_304_whatever_range_is_asked_for(client: Client) -> None:
    url = await stored(client)
    assert (await client.get(url, range="bytes=0-9", if_none_match='W/"1"')).status == 304
