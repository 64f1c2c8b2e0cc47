"""``/fhir`` as an ASGI application: bytes in, ``handle``, bytes out. No framework stands on this path.

Authenticates every request but ``metadata``, bounds what it reads, unpacks and packs bodies, streams Binary.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import unquote

from fhir_api.access import Authenticate, Caller
from fhir_api.api import Api
from fhir_api.auditing import noted
from fhir_api.boundary import refusal_of
from fhir_api.errors import Category, FhirError
from fhir_api.http import Disconnected, Request, Response, error_response, too_many_parameters
from fhir_api.interactions.binary import is_raw
from fhir_api.packing import best_encoding, is_packable, packed
from fhir_api.presentation import presented_refusal
from fhir_api.routes import handle

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

NOBODY = Caller("nobody", frozenset())
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
CHUNK = 64 * 1024

REVALIDATE = (b"cache-control", b"private, no-cache")
"""What is said of a patient is shown again only when it is known to be current, and kept by nobody in between."""
NO_SNIFFING = (b"x-content-type-options", b"nosniff")
NOTHING_RUNS = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""An answer that a browser shows runs nothing, loads nothing and is in nobody's frame."""
VARY = (b"vary", b"Accept, Accept-Encoding")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_HOST = re.compile(r"[A-Za-z0-9.\-_]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_run = os.urandom(5).hex()
_numbers = count(1)


def fhir_app(api: Api, authenticate: Authenticate) -> Application:
    """The application to mount at ``/fhir``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        request_id = _request_id(headers)
        response: Response
        try:
            request = await _request(api, authenticate, scope, headers, request_id, receive)
            response = await handle(api, request)
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - the boundary
            refusal = refusal_of(error, scope["method"], request_id)
            # Its body is unread or unreadable: what matters for the answer is what the client takes.
            stranger = _bare_request(api, scope, headers, request_id, NOBODY)
            if api.journal is not None:
                await noted(api.journal, api.clock(), stranger, error_response(refusal))
            response = await presented_refusal(stranger, refusal)
        await _send(api, scope, headers, request_id, response, send)

    return app


def _request_id(headers: Mapping[str, str]) -> str:
    sent = headers.get("x-request-id")
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent
    return f"{_run}-{next(_numbers):x}"


async def _request(
    api: Api,
    authenticate: Authenticate,
    scope: Scope,
    headers: dict[str, str],
    request_id: str,
    receive: Receive,
) -> Request:
    # Who calls is asked first: a stranger learns nothing, and nothing of his is read.
    path = _path(scope)
    caller = NOBODY if path == ("metadata",) else await authenticate(headers)
    if len(scope["query_string"]) + len(scope["path"]) > api.options.max_url_bytes:
        raise FhirError(
            Category.URL_TOO_LONG, "The URL is too long; POST to _search instead.", "http.url"
        )
    if scope["query_string"].count(b"&") >= api.options.max_parameters:
        raise too_many_parameters(api.options.max_parameters)
    request = _bare_request(api, scope, headers, request_id, caller, path)
    method = request.method
    if method not in WITH_BODY:
        return request
    if method != "PATCH" and path[:1] == ("Binary",) and len(path) <= 2 and is_raw(request):
        return _with(request, payload=_unpacked_stream(headers, receive))
    body = await _body(api, headers, receive)
    waits = path[-1:] and path[-1].startswith("$")
    return _with(request, body=body, gone=partial(_disconnected, receive) if waits else None)


def _bare_request(
    api: Api,
    scope: Scope,
    headers: dict[str, str],
    request_id: str,
    caller: Caller,
    path: tuple[str, ...] | None = None,
) -> Request:
    """The request without its body."""
    query: bytes = scope["query_string"]
    return Request(
        method=scope["method"],
        path=_path(scope) if path is None else path,
        query=query.decode("latin-1"),
        headers=headers,
        body=b"",
        caller=caller,
        base_url=api.options.base_url or _base_url(scope, headers),
        id=request_id,
        address=(scope.get("client") or ("",))[0],
    )


async def _disconnected(receive: Receive) -> None:
    """Returns when the client has gone; its whole body has been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _with(
    request: Request,
    *,
    body: bytes = b"",
    payload: AsyncIterator[bytes] | None = None,
    gone: Callable[[], Awaitable[None]] | None = None,
) -> Request:
    return Request(
        request.method,
        request.path,
        request.query,
        request.headers,
        body,
        request.caller,
        request.base_url,
        request.id,
        payload,
        gone,
        address=request.address,
    )


def _path(scope: Scope) -> tuple[str, ...]:
    """The segments below the mount. Split before decoding, so that an escaped slash separates nothing."""
    root: str = scope.get("root_path", "")
    raw: bytes | None = scope.get("raw_path")
    path: str = scope["path"]
    if raw is not None and b"%" in raw:
        text = raw.partition(b"?")[0].decode("latin-1")
        return tuple(
            unquote(segment, errors="replace") for segment in _segments(text.removeprefix(root))
        )
    return tuple(_segments(path.removeprefix(root)))


def _segments(path: str) -> list[str]:
    inner = path.strip("/")
    return inner.split("/") if inner else []


def _base_url(scope: Scope, headers: Mapping[str, str]) -> str:
    host = headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = scope.get("server") or ("localhost", None)
        host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
    return f"{scope.get('scheme', 'http')}://{host}{scope.get('root_path', '')}"


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


async def _body(api: Api, headers: Mapping[str, str], receive: Receive) -> bytes:
    limit = api.options.max_body_bytes
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_long(limit)
    if "content-encoding" not in headers:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            if len(body) > limit:
                raise _too_long(limit)
            return body
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts, size = [message.get("body", b"")], len(message.get("body", b""))
    else:
        parts, size = [], 0
    async for chunk in _unpacked_stream(headers, receive):
        size += len(chunk)
        if size > limit:
            raise _too_long(limit)
        parts.append(chunk)
    return b"".join(parts)


def _too_long(limit: int) -> FhirError:
    return FhirError(Category.TOO_LONG, f"The body has more than {limit} bytes.", "http.body")


async def _unpacked_stream(headers: Mapping[str, str], receive: Receive) -> AsyncIterator[bytes]:
    """The body as it was before Content-Encoding; never more than a chunk at a time, so a bomb swells nothing."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        async for chunk in _chunks(receive):
            yield chunk
        return
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise FhirError(
            Category.MEDIA_TYPE,
            "Content-Encoding is gzip, deflate or none.",
            "http.Content-Encoding",
            headers=(("Accept-Encoding", "gzip, deflate"),),
        )
    unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
    try:
        async for chunk in _chunks(receive):
            packed = chunk
            while not unpacker.eof:
                part = unpacker.decompress(packed, CHUNK)
                packed = unpacker.unconsumed_tail
                if part:
                    yield part
                if not packed and len(part) < CHUNK:
                    break
    except zlib.error as exc:
        raise FhirError(
            Category.INVALID, "The body is not what Content-Encoding says.", "http.body"
        ) from exc
    if not unpacker.eof:
        raise FhirError(Category.INVALID, "The packed body ends too early.", "http.body")


async def _send(
    api: Api,
    scope: Scope,
    headers: Mapping[str, str],
    request_id: str,
    response: Response,
    send: Send,
) -> None:
    body = response.body
    rows = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers
    ]
    names = {name for name, _ in rows}
    rows += ((b"x-request-id", request_id.encode("latin-1")), NO_SNIFFING, VARY)
    if b"cache-control" not in names:
        rows.append(REVALIDATE)
    if b"content-security-policy" not in names:
        rows.append(NOTHING_RUNS)
    if len(body) >= api.options.pack_from_bytes and is_packable(response):
        encoding = best_encoding(headers.get("accept-encoding", ""))
        if encoding is not None:
            body = await packed(encoding, body)
            rows.append((b"content-encoding", encoding.encode()))
    head = scope["method"] == "HEAD"
    if response.stream is not None or (head and response.length):
        rows.append((b"content-length", b"%d" % response.length))
    elif response.status not in {204, 304}:
        rows.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": response.status, "headers": rows})
    if response.stream is not None and not head:
        async for chunk in response.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        body = b""
    await send({"type": "http.response.body", "body": b"" if head else body})
