"""Browser apps of other origins: https://fetch.spec.whatwg.org/#http-cors-protocol"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from healthvision.cors import with_cors

APP = b"https://app.example.org"


async def inner(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": [(b"etag", b'"1"')]})
    await send({"type": "http.response.body", "body": b"{}"})


async def ask(
    origins: set[str], method: str, *headers: tuple[bytes, bytes]
) -> tuple[int, Any, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/fhir", "headers": list(headers)}
    await with_cors(inner, frozenset(origins))(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


PREFLIGHT = ((b"origin", APP), (b"access-control-request-method", b"PUT"))


async def test_a_preflight_of_an_allowed_app_needs_no_token() -> None:
    status, headers, _ = await ask({APP.decode()}, "OPTIONS", *PREFLIGHT)
    assert status == 204
    assert headers[b"access-control-allow-origin"] == APP
    assert b"PUT" in headers[b"access-control-allow-methods"]
    for name in (b"Authorization", b"Content-Type", b"If-Match", b"If-None-Exist", b"Prefer"):
        assert name in headers[b"access-control-allow-headers"]
    assert b"access-control-allow-credentials" not in headers


async def test_a_preflight_of_another_app_is_refused_with_an_outcome() -> None:
    for origin in (b"https://evil.test", b"https://app.example.org.evil.test", b"null", b"\xff"):
        request = ((b"origin", origin), (b"access-control-request-method", b"GET"))
        status, headers, body = await ask({APP.decode()}, "OPTIONS", *request)
        assert (status, orjson.loads(body)["resourceType"]) == (403, "OperationOutcome")
        assert b"access-control-allow-origin" not in headers


async def test_an_allowed_app_may_read_answers_and_their_headers() -> None:
    status, headers, _ = await ask({APP.decode()}, "GET", (b"origin", APP))
    assert (status, headers[b"access-control-allow-origin"]) == (401, APP)
    assert headers[b"vary"] == b"Origin"
    for name in (b"ETag", b"Location", b"Content-Location", b"Last-Modified", b"X-Request-Id"):
        assert name in headers[b"access-control-expose-headers"]
    _, headers, _ = await ask({APP.decode()}, "GET", (b"origin", b"https://evil.test"))
    assert b"access-control-allow-origin" not in headers


async def test_a_star_allows_all_and_names_nobody() -> None:
    _, headers, _ = await ask({"*"}, "GET", (b"origin", APP))
    assert headers[b"access-control-allow-origin"] == b"*"


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_by_default_nothing_is_open(method: str) -> None:
    assert with_cors(inner, frozenset()) is inner
    status, headers, _ = await ask(set(), method, *PREFLIGHT)
    assert (status, list(headers)) == (401, [b"etag"])


async def test_without_an_origin_nothing_changes() -> None:
    status, headers, _ = await ask({APP.decode()}, "OPTIONS")
    assert (status, list(headers)) == (401, [b"etag"])
