"""OAuth 2.0 on the wire: forms in, JSON out, and refusals in its own words.

https://www.rfc-editor.org/rfc/rfc6749#section-5; nothing of an answer is ever to be kept by anybody on the way.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec
import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response

from fhir_api.boundary import refusal_of
from fhir_api.errors import Category

log = structlog.get_logger(__name__)

MOST_BODY_BYTES = 64 * 1024
MOST_PARAMETERS = 64
FORM = "application/x-www-form-urlencoded"
NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}
STATUS = {
    "invalid_client": 401,
    "invalid_token": 401,
    "access_denied": 403,
    "insufficient_scope": 403,
    "server_error": 500,
    "temporarily_unavailable": 503,
}
"""Every other error is a 400."""

Handler = Callable[[Request], Awaitable[Response]]


class OAuthError(Exception):
    """A refusal: ``error`` is one of OAuth's codes, ``description`` a sentence of ours for the app's developer.

    InvalidGrant    of a code or refresh token nobody is told what is wrong with it
    IssuerSilent    the authorization server does not answer, or not as one
    """

    def __init__(self, error: str, description: str, retry_after_s: str = "") -> None:
        """``retry_after_s``: the request came too soon (429)."""
        super().__init__(description)
        self.error = error
        self.description = description
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        return 429 if self.retry_after_s else STATUS.get(self.error, 400)


class InvalidGrant(OAuthError):
    def __init__(self) -> None:
        text = "The code or refresh token is not valid, not yours, used, or has expired."
        super().__init__("invalid_grant", text)


class IssuerSilent(OAuthError):
    def __init__(self) -> None:
        super().__init__("temporarily_unavailable", "The authorization server does not answer.")


def json_answer(members: Mapping[str, Any], status: int = 200) -> Response:
    """An answer that no cache keeps (RFC 6749 §5.1)."""
    return Response(orjson.dumps(members), status, NOT_KEPT, "application/json")


def error_answer(refusal: OAuthError) -> Response:
    """RFC 6749 §5.2; RFC 6750 §3 where a bearer token was at fault."""
    answer = json_answer(
        {"error": refusal.error, "error_description": refusal.description}, refusal.status
    )
    if refusal.error == "invalid_client":
        answer.headers["WWW-Authenticate"] = 'Basic realm="HealthVision"'
    elif refusal.error in {"invalid_token", "insufficient_scope"}:
        challenge = f'Bearer realm="HealthVision", error="{refusal.error}"'
        answer.headers["WWW-Authenticate"] = challenge
    elif refusal.error == "temporarily_unavailable":
        answer.headers["Retry-After"] = refusal.retry_after_s or "5"
    return answer


def answering(handler: Handler) -> Handler:
    """The handler, with whatever it raises as an answer in JSON."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001 - the boundary
            return error_answer(as_oauth(error, request.method))

    return answered


def as_oauth(error: Exception, method: str) -> OAuthError:
    """Whatever was raised, in OAuth's words."""
    if isinstance(error, OAuthError):
        return error
    refusal = refusal_of(error, method, "")
    match refusal.category:
        case Category.LOGIN:
            return OAuthError("invalid_token", refusal.text)
        case Category.FORBIDDEN:
            return OAuthError("insufficient_scope", refusal.text)
        case Category.THROTTLED:
            wait_s = dict(refusal.headers).get("Retry-After", "5")
            return OAuthError("temporarily_unavailable", refusal.text, wait_s)
        case Category.TRANSIENT:
            return OAuthError("temporarily_unavailable", refusal.text)
        case Category.EXCEPTION:
            return OAuthError("server_error", "The server failed.")
    return OAuthError("invalid_request", refusal.text)


async def body_of(request: Request) -> bytes:
    """The body, where it is not too long.

    Raises:
        OAuthError: it is.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise OAuthError("invalid_request", f"The body has more than {MOST_BODY_BYTES} bytes.")
    return bytes(body)


async def form_of(request: Request) -> dict[str, str]:
    """The parameters of a form, each of which stands there once (RFC 6749 §3.2); empty ones are as if left out.

    Raises:
        OAuthError: it is no such form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", f"The body has to be a form: Content-Type: {FORM}.")
    return parameters_of((await body_of(request)).decode("latin-1"))


def parameters_of(query: str) -> dict[str, str]:
    """The parameters of a query or form, as ``form_of``."""
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError as error:
        raise OAuthError(
            "invalid_request", f"At most {MOST_PARAMETERS} parameters, in percent-encoded UTF-8."
        ) from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise OAuthError("invalid_request", "A parameter stands there more than once.")
    if any("\x00" in value for value in parameters.values()):
        raise OAuthError("invalid_request", "A parameter holds a character that none may hold.")
    return {name: value for name, value in parameters.items() if value}


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a client says who it is. Whether it is so, the issuer decides: these are handed on to it."""

    client: str
    form: dict[str, str]
    authorization: str = ""
    """The Authorization header, where it is Basic."""
    audiences: tuple[str, ...] = ()
    """Whom a client assertion says that it is for."""


ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def credentials_of(request: Request, form: Mapping[str, str]) -> Credentials:
    """Who the client says that it is: by Basic, by a signed assertion, or by its id (with a secret or without).

    https://www.rfc-editor.org/rfc/rfc6749#section-2.3, https://www.rfc-editor.org/rfc/rfc7523#section-2.2

    Raises:
        OAuthError: it says nothing, or two things.
    """
    names = ("client_id", "client_secret", "client_assertion", "client_assertion_type")
    audiences: tuple[str, ...] = ()
    given = {name: form[name] for name in names if name in form}
    said = {form["client_id"]} if "client_id" in form else set()
    authorization = request.headers.get("authorization", "")
    basic = authorization[:6].lower() == "basic "
    if basic:
        said.add(_basic_user(authorization[6:]))
    if "client_assertion" in form:
        if form.get("client_assertion_type") != ASSERTION:
            raise OAuthError("invalid_request", f"client_assertion_type has to be {ASSERTION}.")
        subject, audiences = _asserted(form["client_assertion"])
        said.add(subject)
    if len(said) != 1 or sum((basic, "client_secret" in form, "client_assertion" in form)) > 1:
        raise OAuthError("invalid_client", "Say which client you are, in one way (client_id).")
    return Credentials(said.pop(), given, authorization if basic else "", audiences)


def _basic_user(encoded: str) -> str:
    try:
        user, colon, _ = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "The Basic credentials cannot be read.") from error
    if not colon or not user:
        raise OAuthError("invalid_client", "The Basic credentials cannot be read.")
    return unquote_plus(user)


class _Assertion(msgspec.Struct, frozen=True):
    sub: Annotated[str, msgspec.Meta(min_length=1)]
    aud: str | tuple[str, ...] = ()


def _asserted(assertion: str) -> tuple[str, tuple[str, ...]]:
    """``sub`` and ``aud`` of a JWT that nobody has verified yet."""
    try:
        payload = base64.urlsafe_b64decode(assertion.split(".")[1] + "==")
        claims = msgspec.json.decode(payload, type=_Assertion)
    except (IndexError, ValueError, RecursionError) as error:
        raise OAuthError("invalid_client", "The client assertion is no JWT with a sub.") from error
    return claims.sub, (claims.aud,) if isinstance(claims.aud, str) else claims.aud
