"""What a worker shows of itself: the deployment's own token, or one that it gets for its key.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import structlog

from inference.errors import (
    Busy,
    CredentialUnusable,
    InferenceError,
    Issue,
    NotAllowed,
    Unreachable,
)
from inference.signing_key import read_signing_key
from inference.wire import Wire

log = structlog.get_logger(__name__)

RESULT_TYPES = (
    "Binary",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Media",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Provenance",
    "Task",
)
"""What an analysis leaves behind: its results, who and what made them, and the Task."""

WORKER_SCOPES = ("system/*.rs", *(f"system/{type}.cu" for type in RESULT_TYPES))
"""Reads whatever a study may lead to; writes results and nothing else; deletes nothing."""

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TIMEOUT_S = 10.0
RENEWED_AFTER = 0.5
"""Of a token's life. In the other half a server of tokens that is away, or a key that is just being changed, stops nobody."""
TRIED_AGAIN_S = 10.0
USUAL_LIFE_S = 300.0
"""Where the answer does not say how long the token lives."""


class BearerToken(httpx.Auth):
    """A token that is given and stays (RFC 6750)."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = self._header
        yield request


class KeyPair(httpx.Auth):
    """Tokens for a private key: SMART Backend Services.

    Where they are had, the server says (``.well-known/smart-configuration``); that, and the key's file, are read again
    for each token. Renewed before they end, and at once where the server takes one no longer.

    Raises (every request): Unreachable, Busy; NotAllowed where the client or its key is refused.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        key_file: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._client_id, self._key_file = client_id, key_file
        self._clock = clock
        self._token = ""
        self._renew_s = self._ends_s = -math.inf
        self._renewing = asyncio.Lock()

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        used = await self._current()
        request.headers["authorization"] = f"Bearer {used}"
        answer = yield request
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            return
        if self._token == used:  # nobody has got another one meanwhile
            self._renew_s = self._ends_s = -math.inf
        request.headers["authorization"] = f"Bearer {await self._current()}"
        yield request

    async def _current(self) -> str:
        if self._clock() < self._renew_s or (self._holds() and self._renewing.locked()):
            return self._token
        async with self._renewing:
            if self._clock() >= self._renew_s:
                await self._renew()
        return self._token

    def _holds(self) -> bool:
        return self._clock() < self._ends_s

    async def _renew(self) -> None:
        asked_s = self._clock()
        try:
            self._token, life_s = await self._ask()
        except InferenceError as error:
            if not self._holds():
                raise
            log.warning("token_not_renewed", error=type(error).__name__)
            self._renew_s = min(self._clock() + TRIED_AGAIN_S, self._ends_s)
            return
        self._ends_s = asked_s + life_s
        self._renew_s = asked_s + life_s * RENEWED_AFTER

    async def _ask(self) -> tuple[str, float]:
        """A new token and the seconds that it lives."""
        key = await asyncio.to_thread(read_signing_key, self._key_file)
        async with httpx.AsyncClient(
            transport=Wire(1), timeout=TIMEOUT_S, trust_env=False, follow_redirects=False
        ) as http:
            configuration = await _answer(
                http, "GET", f"{self._base_url}/.well-known/smart-configuration"
            )
            endpoint = self._endpoint(configuration)
            form = {
                "grant_type": "client_credentials",
                "scope": " ".join(WORKER_SCOPES),
                "client_assertion_type": ASSERTION,
                "client_assertion": key.assertion(
                    self._client_id, audience_of(endpoint, configuration.get("issuer"))
                ),
            }
            answer = await _answer(http, "POST", endpoint, data=form)
        token, life_s = answer.get("access_token"), answer.get("expires_in", USUAL_LIFE_S)
        if not isinstance(token, str) or not isinstance(life_s, int | float):
            raise CredentialUnusable("the token endpoint answers without a token")
        return token, float(life_s)

    def _endpoint(self, configuration: dict[str, Any]) -> str:
        endpoint = configuration.get("token_endpoint")
        scheme = "https://" if self._base_url.startswith("https://") else ("http://", "https://")
        if not isinstance(endpoint, str) or not endpoint.startswith(scheme):
            raise CredentialUnusable("the server names no token endpoint that may be asked")
        return endpoint


def audience_of(token_endpoint: str, issuer: object) -> str:
    """Whom an assertion is for: the token endpoint; or the issuer, where the endpoint stands before another's server.

    Our server hands assertions on to Keycloak, which takes those that name itself, in one ``aud``. Its own endpoints lie
    below its issuer's URL, as those of others do.
    """
    if not isinstance(issuer, str) or not issuer:
        return token_endpoint
    return token_endpoint if token_endpoint.startswith(issuer) else issuer


async def _answer(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    **options: Any,  # noqa: ANN401 - httpx's
) -> dict[str, Any]:
    """The JSON object that is answered. An OAuth error's code is told, its words are not."""
    try:
        answer = await http.request(method, url, headers={"accept": "application/json"}, **options)
    except httpx.TransportError as error:
        raise Unreachable("the server of tokens could not be reached") from error
    try:
        found = answer.json()
    except ValueError:
        found = None
    said = found if isinstance(found, dict) else {}
    if answer.is_success and said:
        return said
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise Busy(f"the server of tokens answered {answer.status_code}")
    code = said.get("error")
    raise NotAllowed(answer.status_code, (Issue("error", code),) if isinstance(code, str) else ())
