"""A JSON document of an authorization server, fetched: who answers slowly, at length or from elsewhere is not believed."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

import httpx
import orjson

PATIENCE_S: Final = 5.0
"""For the whole answer."""
MOST_BYTES: Final = 256 * 1024


class DocumentUnavailable(Exception):
    """There is no answer, or it is not what was asked for. The message is ours, and fit for a log."""


def document_client() -> httpx.AsyncClient:
    """Connections to authorization servers: those are believed whom the machine's own list of authorities vouches for.

    To be closed.
    """
    return httpx.AsyncClient(
        verify=ssl.create_default_context(),
        trust_env=False,
        follow_redirects=False,
        timeout=PATIENCE_S,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )


async def json_document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """The object at ``url``.

    Raises:
        DocumentUnavailable: no answer in time, another status than 200, too long, or no JSON object.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S), client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise DocumentUnavailable(f"status {answer.status_code}")
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > MOST_BYTES:
                    raise DocumentUnavailable(f"more than {MOST_BYTES} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise DocumentUnavailable(type(error).__name__) from error
    try:
        document = orjson.loads(bytes(body))
    except orjson.JSONDecodeError as error:
        raise DocumentUnavailable("no JSON") from error
    if not isinstance(document, dict):
        raise DocumentUnavailable("no JSON object")
    return document
