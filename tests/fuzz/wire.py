"""Sends an attempt over a socket and judges what comes back."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from dataclasses import dataclass
from html import unescape

import brotli
import orjson

from fhir_api.errors import FhirError
from fhir_api.formats.xml_reader import json_of
from tests.fuzz.attempts import Attempt

HANG_S = 30.0
DEEPEST = 200


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection, opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, attempt: Attempt) -> Answer | None:
        """The answer; None where the server closed the connection without one. Raises TimeoutError for a hang."""
        if not attempt.is_http:
            await self.close()
        async with asyncio.timeout(HANG_S):
            reader, writer = self._streams or await asyncio.open_connection(
                "127.0.0.1", self._port, limit=2**20
            )
            self._streams = reader, writer
            try:
                with suppress(OSError):  # it may answer and close before it has read all
                    writer.write(attempt.sent)
                    await writer.drain()
                answer = await _answer(reader, attempt.method)
            except (asyncio.IncompleteReadError, OSError):
                answer = None
        if answer is None or not attempt.is_http or answer.headers.get("connection") == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None


async def _answer(reader: asyncio.StreamReader, method: str) -> Answer:
    status = 100
    headers: dict[str, str] = {}
    while status < 200:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
    body = b""
    if method != "HEAD" and status not in {204, 304}:
        body = await reader.readexactly(int(headers["content-length"]))
    return Answer(status, headers, body)


def fault_of(attempt: Attempt, answer: Answer | None) -> str | None:
    """What is wrong with the answer; None where nothing is."""
    if answer is None:
        return "no answer" if attempt.is_http else None
    if answer.status >= 500:
        return f"status {answer.status}"
    if attempt.kind == "no HTTP" and not attempt.names_fhir:
        return None  # another room's
    if "nosniff" not in answer.headers.get("x-content-type-options", ""):
        return "no nosniff"
    if attempt.method == "HEAD" or answer.status in {204, 304}:
        return None
    is_refusal = answer.status >= 300
    try:
        tree = _read(answer)
    except (ValueError, FhirError, brotli.error, OSError) as error:
        return f"an unreadable body: {type(error).__name__}"
    if tree is None:
        return "a refusal that is no FHIR" if is_refusal else None
    found = tree.get("resourceType") if isinstance(tree, dict) else None
    if is_refusal and found != "OperationOutcome":
        return f"a refusal that is a {found}"
    if not isinstance(found, str):
        return "a body that is no resource"
    return None


def _read(answer: Answer) -> object:
    """The resource of an answer in FHIR JSON, XML or HTML; None where it is of another type (a raw Binary)."""
    body = answer.body
    match answer.headers.get("content-encoding"):
        case "gzip":
            body = gzip.decompress(body)
        case "br":
            body = brotli.decompress(body)
    content_type = answer.headers.get("content-type", "").partition(";")[0]
    if answer.status < 300 and not body:
        return None
    if answer.status in {200, 206} and "accept-ranges" in answer.headers:
        return None  # a Binary's own bytes, whatever they are
    match content_type:
        case "application/fhir+json" | "application/json" | "text/json":
            tree: object = orjson.loads(body)
            return tree
        case "application/fhir+xml" | "application/xml" | "text/xml":
            found: object = orjson.loads(json_of(body, DEEPEST))
            return found
        case "text/html":
            shown = body.partition(b"<pre>")[2].partition(b"</pre>")[0].decode()
            page: object = orjson.loads(unescape(_without_links(shown)))
            return page
    return None


def _without_links(shown: str) -> str:
    parts = shown.split("<a href=")
    return parts[0] + "".join(part.partition(">")[2] for part in parts[1:]).replace("</a>", "")
