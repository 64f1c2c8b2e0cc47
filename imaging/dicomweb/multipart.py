"""multipart/related and multipart/form-data as a stream: one part at a time, none held in memory.

https://www.rfc-editor.org/rfc/rfc2387, https://www.rfc-editor.org/rfc/rfc2046#section-5.1
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from imaging.dicomweb.errors import BadRequest

_MAX_HEADERS = 32
_MAX_HEADER_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type with its parameters; names are in lower case."""

    name: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, header: str) -> MediaType:
        name, parameters = parse_options_header(header)
        return cls(
            name.decode("latin-1").lower(),
            {
                key.decode("latin-1").lower(): value.decode("latin-1")
                for key, value in parameters.items()
            },
        )


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One part. ``chunks`` has to be read before the next part is asked for; what is left of it is skipped then."""

    headers: dict[str, str]
    """Names in lower case."""
    chunks: AsyncIterator[bytes]

    @property
    def content_type(self) -> MediaType:
        return MediaType.parse(self.headers.get("content-type", "application/octet-stream"))

    @property
    def disposition(self) -> MediaType:
        """Content-Disposition, with ``name`` and ``filename`` among its parameters."""
        return MediaType.parse(self.headers.get("content-disposition", ""))


async def body_parts(body: AsyncIterator[bytes], boundary: str) -> AsyncIterator[BodyPart]:
    """The parts of a multipart body, in order.

    Raises:
        BadRequest: the framing is broken, or the body ends before its last boundary.
    """
    stream = _Events(body, boundary)
    while await stream.next_part():
        part = BodyPart(stream.headers, stream.data())
        yield part
        async for _ in part.chunks:
            pass


class _Events:
    """Pulls events out of the push parser. State: what the parser has said and nobody has read yet."""

    def __init__(self, body: AsyncIterator[bytes], boundary: str) -> None:
        self._body = body
        self._waiting: deque[bytes | str] = deque()
        self._field, self._value = b"", b""
        self._ended = False
        self.headers: dict[str, str] = {}
        self._pending_headers: dict[str, str] = {}
        self._headers_of_parts: deque[dict[str, str]] = deque()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_part_data": lambda data, start, end: self._waiting.append(data[start:end]),
                    "on_part_end": lambda: self._waiting.append("part-end"),
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_end": self._on_end,
                },
                max_header_count=_MAX_HEADERS,
                max_header_size=_MAX_HEADER_BYTES,
            )
        except FormParserError as exc:
            raise BadRequest("the boundary of the multipart body is not usable") from exc

    async def next_part(self) -> bool:
        """Goes to the begin of the next part; False at the end of the body."""
        while (event := await self._next()) is not None:
            if event == "headers":
                self.headers = self._headers_of_parts.popleft()
                return True
        return False

    async def data(self) -> AsyncIterator[bytes]:
        """The data of the current part."""
        while (event := await self._next()) is not None:
            if event == "part-end":
                return
            if isinstance(event, bytes):
                yield event

    async def _next(self) -> bytes | str | None:
        while not self._waiting:
            if self._ended:
                return None
            try:
                chunk = await anext(self._body)
            except StopAsyncIteration:
                raise BadRequest("the multipart body ends before its last boundary") from None
            if chunk:
                self._feed(chunk)
        return self._waiting.popleft()

    def _feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as exc:
            raise BadRequest("the multipart body is broken") from exc

    def _on_part_begin(self) -> None:
        self._pending_headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        name = self._field.decode("latin-1").strip().lower()
        self._pending_headers[name] = self._value.decode("latin-1").strip()
        self._field, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        self._headers_of_parts.append(self._pending_headers)
        self._waiting.append("headers")

    def _on_end(self) -> None:
        self._ended = True
        self._waiting.append("end")


def part_header(boundary: str, headers: dict[str, str]) -> bytes:
    """The delimiter and headers that stand before a part's data."""
    lines = [f"--{boundary}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def closing(boundary: str) -> bytes:
    """The last delimiter."""
    return f"--{boundary}--\r\n".encode("latin-1")
