"""The way that a worker's requests take: httpx speaks to the callers, aiohttp to the network.

A Task is six requests, and one of them answers with a whole radiograph. httpx's own transport reads in Python, which
costs 0.9 ms a request and 7 ms for 7 MB; aiohttp's parser is C: 0.3 and 3 ms.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import httpx
from yarl import URL

READ_BYTES = 1024 * 1024
"""Read ahead of the caller at most; an answer arrives in few large pieces."""


class Wire(httpx.AsyncBaseTransport):
    """Connections to any number of servers, opened when they are needed. To be closed."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._opened: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError; ConnectError and ConnectTimeout only where nothing was sent."""
        timeout = request.extensions.get("timeout", {})
        with _as_httpx(request):
            answer = await self._session().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=await request.aread() or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    connect=timeout.get("pool"),
                    sock_connect=timeout.get("connect"),
                    sock_read=timeout.get("read"),
                ),
            )
        return httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_Body(answer, request)
        )

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    def _session(self) -> aiohttp.ClientSession:
        """Made at the first request: a session belongs to the event loop that it is made on."""
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, ssl=httpx.create_ssl_context()
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Content-Type",),
                read_bufsize=READ_BYTES,
            )
            # It would send a PUT again over which a kept connection ended. What may be repeated, the caller knows.
            self._opened._retry_connection = False  # noqa: SLF001 - there is no public switch
        return self._opened


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for piece in self._answer.content.iter_any():
                yield piece

    async def aclose(self) -> None:
        """A connection whose answer was not read to its end is given up."""
        self._answer.release()


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """What aiohttp raises, in httpx's words. What is not known to have failed before it was sent counts as sent."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout("no connection in time", request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError("no connection", request=request) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout("no answer in time", request=request) from error
    except aiohttp.InvalidURL as error:
        raise httpx.UnsupportedProtocol("the address is none", request=request) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError("the connection ended", request=request) from error
