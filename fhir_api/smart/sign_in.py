"""Who sits before the page: the façade signs the user in at the issuer, as a client of its own, before it shows names.

What is found out belongs to one authorization and to one browser: it lies in a record under an unguessable id, and the
browser proves that it is the one by a cookie for that record alone. So two launches side by side know nothing of each
other, and no page of ours trusts the issuer's session.
"""

from __future__ import annotations

import hmac
import secrets

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_api.access import Caller
from fhir_api.smart import pages
from fhir_api.smart.authorizations import Authorization, challenge_of
from fhir_api.smart.backchannel import own_authorization, posted, with_query
from fhir_api.smart.callers import caller_of, no_context
from fhir_api.smart.facade import Facade
from fhir_api.smart.oauth import IssuerSilent, OAuthError, parameters_of
from fhir_api.smart.records import Kept, Kind, digest
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.scopes import resource_scopes
from store.interface import Commit, Write

log = structlog.get_logger(__name__)

LIFETIME_S = 900
PAGE_SCOPES = resource_scopes("user/Patient.rs")
"""What the pages need to see, within what the user's roles may see."""


class SignIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One authorization that waits for a person: to sign in, and then to choose."""

    expires_us: int
    browser: str
    """Digest of the cookie's value."""
    verifier: str
    authorization: Authorization
    subject: str = ""
    """'' until the user is signed in."""
    user: str = ""
    roles: tuple[str, ...] = ()

    def caller(self, client: str) -> Caller:
        """The user, as one who looks for a patient on a page of ours."""
        return Caller(
            id=client,
            roles=frozenset(self.roles),
            scopes=PAGE_SCOPES,
            user=self.user,
            subject=self.subject,
            purpose=self.authorization.purpose,
        )


SIGN_INS: Kind[SignIn] = Kind("smart:sign-in", SignIn)
"""By the id in the page's URL."""

NOT_SIGNED_IN = "You could not be signed in."
GONE = "This page has ended, or belongs to another browser. Open the app again."


async def begin(facade: Facade, authorization: Authorization, spent: tuple[Write, ...]) -> Response:
    """Redirects to the issuer, to come back to ``/auth/callback``. Raises VersionConflict where ``spent`` was spent."""
    id, secret, verifier = (secrets.token_urlsafe(size) for size in (18, 32, 48))
    now_us = facade.api.clock()
    record = SignIn(now_us + LIFETIME_S * 1_000_000, digest(secret), verifier, authorization)
    await facade.api.store.commit(Commit(writes=(*spent, SIGN_INS.write(id, record, now_us))))
    query = {
        "response_type": "code",
        "client_id": facade.client_id,
        "redirect_uri": facade.callback_url,
        "scope": "openid",
        "state": id,
        "code_challenge": challenge_of(verifier) or "",
        "code_challenge_method": "S256",
    }
    if "login_hint" in authorization.passed_on:
        query["login_hint"] = authorization.passed_on["login_hint"]
    endpoint = (await facade.issuer.metadata()).authorization_endpoint
    answer = RedirectResponse(with_query(endpoint, query), 303, pages.NOT_KEPT_NOR_TOLD)
    _set_cookie(facade, id, answer, secret, LIFETIME_S)
    return answer


async def signed_in(facade: Facade, request: Request) -> tuple[str, SignIn]:
    """The id and record with who came back from the issuer; the record is kept so.

    Raises:
        OAuthError: nobody is signed in, or this is not the browser that was sent there.
        VersionConflict: the same answer of the issuer came twice.
    """
    answer = parameters_of(request.url.query)
    id = answer.get("state", "")
    kept = await of_browser(facade, request, id)
    record = kept.record
    if record.subject:
        raise OAuthError("invalid_request", GONE)
    if "code" not in answer:
        raise OAuthError("access_denied", NOT_SIGNED_IN)
    if answer.get("iss", facade.issuer.url) != facade.issuer.url:
        raise OAuthError("invalid_request", GONE)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": facade.callback_url,
        "code_verifier": record.verifier,
        "client_id": facade.client_id,
    }
    endpoint = (await facade.issuer.metadata()).token_endpoint
    try:
        tokens = await posted(facade, endpoint, form, own_authorization(facade))
        claims = await facade.verify(str(tokens.get("access_token", "")))
        caller = caller_of(claims, no_context(claims), facade.fhir_url)
    except IssuerSilent:
        raise
    except (OAuthError, TokenRefused) as error:
        log.warning("sign_in_failed", error=type(error).__name__, reason=str(error))
        raise OAuthError("access_denied", NOT_SIGNED_IN) from error
    if caller.id != facade.client_id:
        raise OAuthError("access_denied", NOT_SIGNED_IN)
    known = msgspec.structs.replace(
        record, subject=caller.subject, user=caller.user, roles=tuple(sorted(caller.roles))
    )
    now_us = facade.api.clock()
    await facade.api.store.commit(Commit(writes=(SIGN_INS.replacement(kept, known, now_us),)))
    return id, known


async def of_browser(facade: Facade, request: Request, id: str) -> Kept[SignIn]:
    """The record of that id, where this browser is the one that it was made for.

    Raises:
        OAuthError: there is none for this browser.
    """
    secret = request.cookies.get(_cookie_name(facade, id), "")
    kept = await SIGN_INS.read(facade.api.store, id, facade.api.clock()) if secret else None
    if kept is None or not hmac.compare_digest(kept.record.browser, digest(secret)):
        raise OAuthError("invalid_request", GONE)
    return kept


def forget_browser(facade: Facade, id: str, answer: Response) -> None:
    """The launch is over: its cookie goes."""
    _set_cookie(facade, id, answer, "", 0)


def _set_cookie(facade: Facade, id: str, answer: Response, secret: str, lifetime_s: int) -> None:
    answer.set_cookie(
        _cookie_name(facade, id),
        secret,
        max_age=lifetime_s,
        path="/",
        secure=_is_secure(facade),
        httponly=True,
        samesite="lax",
    )


def form_key(record: SignIn) -> str:
    """What each form of this record's pages sends back, so that no other page can send it."""
    return digest(f"form\n{record.browser}\n{record.verifier}")


def _cookie_name(facade: Facade, id: str) -> str:
    """One cookie an authorization; the prefix keeps other hosts and plain HTTP from setting it (RFC 6265bis §4.1.3.2)."""
    return f"{'__Host-' if _is_secure(facade) else ''}hv-{digest(id)[:16]}"


def _is_secure(facade: Facade) -> bool:
    return facade.public_url.startswith("https://")
