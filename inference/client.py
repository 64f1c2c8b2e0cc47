"""A FHIR R4 client for workers: https://hl7.org/fhir/R4/http.html

Retries what may be repeated, hands everything else to the caller as an error of ``inference.errors``. Logs carry
the method, the resource type and the status, never a URL or a body (both can hold something about a patient).
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import structlog

from inference.errors import (
    Ambiguous,
    Busy,
    Conflict,
    Issue,
    Missing,
    NotAllowed,
    Refused,
    Transient,
    Unreachable,
)
from inference.wire import Wire

log = structlog.get_logger(__name__)

FHIR_JSON = "application/fhir+json"
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_ETAG = re.compile(r'(?:W/)?"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try again: full jitter under an exponential bound.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    tries: int = 4
    first_s: float = 0.2
    most_s: float = 5.0

    def pause_s(self, failures: int, asked_s: float | None) -> float:
        """Seconds before the next try; what the server asked for (Retry-After) is the least."""
        bound = min(self.most_s, self.first_s * 2**failures)
        pause = random.uniform(0, bound)  # noqa: S311 - jitter is no secret
        return pause if asked_s is None else min(max(asked_s, pause), 60.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: the body as it came, and the version it names (``ETag``) where it names one."""

    status: int
    body: bytes
    version: str | None
    content_type: str

    def json(self) -> dict[str, Any]:
        """The body as a tree. Empty where there is none."""
        return msgspec.json.decode(self.body, type=dict[str, Any]) if self.body else {}


class FhirClient:
    """One server, one credential, one connection pool.

    Raises (every method): Unreachable, Busy, Ambiguous, Refused and its kinds.
    """

    def __init__(
        self,
        base_url: str,
        credential: httpx.Auth | None,
        *,
        patience: Patience | None = None,
        connections: int = 16,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._patience = patience or Patience()
        self._credential = credential
        self.http = httpx.AsyncClient(
            auth=credential,
            transport=transport or Wire(connections),
            timeout=httpx.Timeout(30.0, connect=5.0, pool=None),
            follow_redirects=False,
            trust_env=False,
            headers={"accept-encoding": "identity", "prefer": "return=minimal"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.http.aclose()

    def is_ours(self, url: str) -> bool:
        """Whether a URL lies on the server of this client: only such a URL is ever sent the credential."""
        here, there = urlsplit(self.base_url), urlsplit(url)
        return (here.scheme, here.netloc) == (there.scheme, there.netloc)

    def credential_for(self, url: str) -> httpx.Auth | None:
        """What authorises a request to ``url``: nothing for another server."""
        return self._credential if self.is_ours(url) else None

    async def read(self, type: str, id: str) -> Answer:
        return await self._try("GET", f"{type}/{_safe(id)}")

    async def search(self, type: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The first page of a search."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return (await self._try("GET", f"{type}?{query}")).json()

    async def update(
        self, type: str, id: str, body: bytes, *, if_match: str | None = None
    ) -> Answer:
        """A PUT. Without ``if_match`` it may be repeated; with it, a lost answer is Ambiguous."""
        headers = {"if-match": f'W/"{if_match}"'} if if_match is not None else {}
        return await self._try(
            "PUT", f"{type}/{_safe(id)}", body, headers=headers, repeatable=if_match is None
        )

    async def transaction(self, bundle: bytes) -> dict[str, Any]:
        """POSTs a transaction Bundle. Never repeated once it may have arrived."""
        return (await self._try("POST", "", bundle, repeatable=False, timeout_s=120)).json()

    async def operation(
        self,
        path: str,
        parameters: dict[str, Any],
        *,
        timeout_s: float = 30,
        repeatable: bool = True,
    ) -> Answer:
        """``POST [base]/<path>`` with Parameters (``Task/$claim``, ``Task/x/$heartbeat``)."""
        body = msgspec.json.encode(parameters)
        return await self._try("POST", path, body, repeatable=repeatable, timeout_s=timeout_s)

    async def metadata(self) -> dict[str, Any]:
        return (await self._try("GET", "metadata")).json()

    async def binary(self, id: str) -> Answer:
        """A Binary in its own content type (https://hl7.org/fhir/R4/binary.html#rest)."""
        return await self._try("GET", f"Binary/{_safe(id)}", accept="*/*")

    async def _try(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        accept: str = FHIR_JSON,
        repeatable: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        failures = 0
        while True:
            try:
                return await self._once(method, path, body, dict(headers or {}), accept, timeout_s)
            except Transient as error:
                failures += 1
                never_sent = isinstance(error, Unreachable | Busy)
                if failures >= self._patience.tries or not (repeatable or never_sent):
                    raise
                log.info("fhir_retry", method=method, kind=_kind(path), error=type(error).__name__)
                await asyncio.sleep(self._patience.pause_s(failures, error.retry_after_s))

    async def _once(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        accept: str,
        timeout_s: float | None,
    ) -> Answer:
        headers["accept"] = accept
        if body:
            headers["content-type"] = FHIR_JSON
        timeout = (
            httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s, connect=5)
        )
        try:
            response = await self.http.request(
                method,
                f"{self.base_url}/{path}" if path else self.base_url,
                content=body or None,
                headers=headers,
                timeout=timeout,
            )
        except _NEVER_SENT as error:
            raise Unreachable(f"the server could not be reached for {_kind(path)}") from error
        except httpx.TransportError as error:
            raise Ambiguous(f"the connection ended during {method} {_kind(path)}") from error
        if response.is_success:
            return Answer(
                response.status_code,
                response.content,
                _version(response.headers),
                response.headers.get("content-type", ""),
            )
        raise _refusal(response)


def _refusal(response: httpx.Response) -> Transient | Refused:
    status = response.status_code
    if status in _BUSY:
        # 500 and 504 leave open whether the request was carried out; the others say that it was not.
        kind = Ambiguous if status in {500, 502, 504} else Busy
        return kind(f"the server answered {status}", _retry_after_s(response.headers))
    issues = _issues(response.content)
    if status in {401, 403}:
        return NotAllowed(status, issues)
    if status in {404, 410}:
        return Missing(status, issues)
    if status in {409, 412}:
        return Conflict(status, issues)
    return Refused(status, issues)


def _issues(body: bytes) -> tuple[Issue, ...]:
    """What an OperationOutcome says, without its free text. Empty where the body is none."""
    try:
        outcome = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return ()
    found = outcome.get("issue")
    return tuple(
        Issue(
            severity=str(issue.get("severity", "error")),
            code=str(issue.get("code", "unknown")),
            expression=tuple(
                str(path) for path in (*issue.get("expression", ()), *issue.get("location", ()))
            ),
        )
        for issue in (found if isinstance(found, list) else [])
        if isinstance(issue, dict)
    )


def _version(headers: httpx.Headers) -> str | None:
    match = _ETAG.fullmatch(headers.get("etag", ""))
    return match[1] if match else None


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after")
    if value is None:
        return None
    if value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None
    return max(0.0, (when - now).total_seconds())


def _safe(id: str) -> str:
    """An id that may stand in a path: what came in a resource is not trusted to be one."""
    if not _ID.fullmatch(id):
        raise Refused(400)
    return id


def _kind(path: str) -> str:
    """What a log may say of a path: the type and the operation, no id, no query."""
    parts = path.partition("?")[0].split("/")
    operation = parts[-1] if parts[-1].startswith("$") else ""
    return f"{parts[0] or 'transaction'} {operation}".rstrip()
