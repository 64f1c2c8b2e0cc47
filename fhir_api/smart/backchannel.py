"""Requests from this server to the issuer: a form there, JSON back, and never its pages or its words for people."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

import httpx
import orjson
import structlog

from fhir_api.smart.documents import MOST_BYTES
from fhir_api.smart.facade import Facade
from fhir_api.smart.oauth import IssuerSilent, OAuthError

log = structlog.get_logger(__name__)

PATIENCE_S = 20.0
"""For an answer: a person waits for it, and the issuer may have a password to hash."""

PASSED_ON = frozenset(
    {
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_token",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_token_type",
    }
)
SENTENCES = {
    "invalid_client": "The client is not known, or did not prove that it is the one.",
    "invalid_grant": "The code or refresh token is not valid, not yours, used, or has expired.",
    "invalid_scope": "The client may not ask for one of these scopes.",
    "invalid_token": "The token is not valid, or not yours.",
    "unauthorized_client": "The client may not do this.",
    "unsupported_grant_type": "The grant type is not supported.",
}


async def posted(
    facade: Facade, url: str, form: dict[str, str], authorization: str = ""
) -> dict[str, Any]:
    """The members of the issuer's JSON answer; {} where it has no body.

    Raises:
        OAuthError: the issuer refuses, does not answer, or answers something else.
    """
    headers = {"Authorization": authorization} if authorization else {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            async with facade.issuer.client.stream(
                "POST", url, data=form, headers=headers, timeout=PATIENCE_S
            ) as answer:
                status, body = answer.status_code, await _bounded(answer)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        log.warning("issuer_unavailable", reason=type(error).__name__)
        raise IssuerSilent from error
    members = _members(body)
    if status == httpx.codes.OK:
        return members
    # Keycloak has several words for a client that did not prove who it is, and one status.
    error_code = "invalid_client" if status == 401 else members.get("error")
    if error_code in PASSED_ON:
        sentence = SENTENCES.get(error_code, "The authorization server refuses the request.")
        raise OAuthError(error_code, sentence)
    log.warning("issuer_refused", status=status)
    if status < 500 and error_code is not None:
        raise OAuthError("invalid_request", "The authorization server refuses the request.")
    raise IssuerSilent


async def is_registered(facade: Facade, client: str, redirect_uri: str) -> bool:
    """Whether the issuer itself would send a browser back to ``redirect_uri`` for that client.

    It is asked to sign in somebody without any page: to a registered address it redirects with an error, for all
    others it shows a page of its own (RFC 6749 §4.1.2.1). So nothing of the registration is known or repeated here.

    Raises:
        OAuthError, FhirError: the issuer does not answer.
    """
    endpoint = (await facade.issuer.metadata()).authorization_endpoint
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": redirect_uri,
        "scope": "openid",
        "prompt": "none",
        "state": "registered",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    try:
        answer = await facade.issuer.client.get(with_query(endpoint, query), timeout=PATIENCE_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("issuer_unavailable", reason=type(error).__name__)
        raise IssuerSilent from error
    location = answer.headers.get("location", "")
    joint = "&" if "?" in redirect_uri else "?"
    if not answer.is_redirect or not location.startswith(redirect_uri + joint):
        return False
    return dict(parse_qsl(urlsplit(location).query)).get("state") == "registered"


def own_authorization(facade: Facade) -> str:
    """The façade's own Basic credentials at the issuer (RFC 6749 §2.3.1); '' where it has no secret."""
    if not facade.client_secret:
        return ""
    pair = f"{quote_plus(facade.client_id)}:{quote_plus(facade.client_secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def with_query(url: str, parameters: dict[str, str]) -> str:
    """The URL with these parameters after those that it has."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


async def _bounded(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > MOST_BYTES:
            raise IssuerSilent
    return bytes(body)


def _members(body: bytes) -> dict[str, Any]:
    try:
        members = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        return {}
    return members if isinstance(members, dict) else {}
