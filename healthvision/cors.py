"""Browser apps of other origins: which may call, with what, and which headers of the answers they may read.

https://fetch.spec.whatwg.org/#http-cors-protocol. A SMART app sends its token itself, so cookies and the like
(credentials in the words of the standard) are never allowed.
"""

from __future__ import annotations

from fhir_api.asgi import Application, Message, Receive, Scope, Send
from fhir_api.errors import Category, FhirError
from fhir_api.http import error_response

ANY = "*"
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
TAKEN_HEADERS = (
    b"Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, If-Range, Prefer, "
    b"Range, X-Request-Id, X-Security-Context"
)
SHOWN_HEADERS = (
    b"Accept-Ranges, Allow, Content-Location, Content-Range, ETag, Last-Modified, Location, Retry-After, "
    b"WWW-Authenticate, X-Progress, X-Request-Id, X-Security-Context"
)
PREFLIGHT_AGE_S = 600


def with_cors(app: Application, origins: frozenset[str]) -> Application:
    """The application, open to browser apps of ``origins`` ('*': all). Without origins, the application itself."""
    if not origins:
        return app

    async def open_to_origins(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        origin = headers.get(b"origin")
        if origin is None:
            await app(scope, receive, send)
            return
        rows = [(b"vary", b"Origin")]
        allowed = ANY in origins or origin.decode("latin-1") in origins
        if allowed:
            rows.append((b"access-control-allow-origin", b"*" if ANY in origins else origin))
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await (_preflight(rows, send) if allowed else _refused(rows, send))
            return
        if allowed:
            rows.append((b"access-control-expose-headers", SHOWN_HEADERS))

        async def send_opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *rows]}
            await send(message)

        await app(scope, receive, send_opened)

    return open_to_origins


async def _preflight(rows: list[tuple[bytes, bytes]], send: Send) -> None:
    """A preflight has no token: what it asks for is decided when the request itself comes."""
    permitted = [
        *rows,
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", TAKEN_HEADERS),
        (b"access-control-max-age", b"%d" % PREFLIGHT_AGE_S),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": permitted})
    await send({"type": "http.response.body", "body": b""})


async def _refused(rows: list[tuple[bytes, bytes]], send: Send) -> None:
    text = "Browser apps of this origin may not call this server (HEALTHVISION_CORS_ORIGINS)."
    response = error_response(FhirError(Category.FORBIDDEN, text, "http.Origin"))
    described = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    described.append((b"content-length", b"%d" % len(response.body)))
    headers = [*rows, *described]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
