"""What every answer of every room tells a browser, unless the room says it better.

https://owasp.org/www-project-secure-headers/, https://www.rfc-editor.org/rfc/rfc6797 (Strict-Transport-Security)
"""

from __future__ import annotations

from typing import Final

from fhir_api.asgi import NO_SNIFFING, NOTHING_RUNS, Application, Message, Receive, Scope, Send

ALWAYS: Final = (
    NO_SNIFFING,
    NOTHING_RUNS,
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""An answer runs nothing, is in nobody's frame, and is kept by nobody; which origins may read it is CORS' to say."""
DOCS: Final = (
    b"content-security-policy",
    (
        b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
    ),
)
"""Of ``/docs``: Swagger UI starts itself by a script in its page, which holds nothing that anybody sent."""
ONLY_HTTPS: Final = (b"strict-transport-security", b"max-age=31536000")


def with_security_headers(app: Application, *, https: bool) -> Application:
    """The application, whose answers carry the headers. ``https``: it is never to be asked over http again."""
    rows = (*ALWAYS, ONLY_HTTPS) if https else ALWAYS

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                if scope["path"] == "/docs":
                    given.append(DOCS)
                names = {name for name, _ in given}
                given += [row for row in rows if row[0] not in names]
                message = {**message, "headers": given}
            await send(message)

        await app(scope, receive, send_guarded)

    return guarded
