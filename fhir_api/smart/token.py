"""``/auth/token``: the issuer gives the tokens; what its launch was granted is kept beside them here.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token,
https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from fhir_api.errors import FhirError
from fhir_api.rates import TooOften
from fhir_api.smart.authorizations import PENDING, Authorization, Pending, challenge_of
from fhir_api.smart.backchannel import posted
from fhir_api.smart.callers import caller_of, relative_user
from fhir_api.smart.claims import Claims
from fhir_api.smart.contexts import REFRESH_TOKENS, TOKENS, LaunchContext, renewing
from fhir_api.smart.facade import Facade
from fhir_api.smart.granting import (
    LAUNCH_ENCOUNTER,
    LAUNCH_PATIENT,
    OFFLINE,
    ONLINE,
    asked_of_issuer,
    granted,
)
from fhir_api.smart.launches import readable
from fhir_api.smart.oauth import (
    Credentials,
    InvalidGrant,
    OAuthError,
    credentials_of,
    form_of,
    json_answer,
)
from fhir_api.smart.records import Kept
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.sign_in import PAGE_SCOPES
from store.errors import VersionConflict
from store.interface import Commit, Write

log = structlog.get_logger(__name__)

MOST_TOKEN = 16 * 1024


async def token(facade: Facade, request: Request) -> Response:
    """The token response.

    Raises:
        OAuthError: none is given.
    """
    form = await form_of(request)
    if any(len(value) > MOST_TOKEN for value in form.values()):
        raise OAuthError("invalid_request", f"A parameter has more than {MOST_TOKEN} characters.")
    credentials = credentials_of(request, form)
    # By address too: who guesses a client's secret, or a code, does not lock out the client itself.
    key = (request.client.host if request.client else "", credentials.client)
    if wait_s := facade.failures.wait_s(key):
        raise TooOften("attempts that failed", wait_s)
    try:
        return json_answer(await _given(facade, credentials, form))
    except OAuthError as refusal:
        if refusal.error in {"invalid_client", "invalid_grant", "unauthorized_client"}:
            facade.failures.count(key)
        raise


async def _given(
    facade: Facade, credentials: Credentials, form: Mapping[str, str]
) -> dict[str, Any]:
    match form.get("grant_type"):
        case "authorization_code":
            return await _by_code(facade, credentials, form)
        case "refresh_token":
            return await _by_refresh_token(facade, credentials, form)
        case "client_credentials":
            return await _by_credentials(facade, credentials, form)
        case None:
            raise OAuthError("invalid_request", "grant_type is needed.")
    raise OAuthError("unsupported_grant_type", "The grant type is not supported.")


async def _by_code(
    facade: Facade, credentials: Credentials, form: Mapping[str, str]
) -> dict[str, Any]:
    """The verifier says which launch the code is of, before the issuer is asked at all."""
    code, verifier = form.get("code"), form.get("code_verifier", "")
    if code is None:
        raise OAuthError("invalid_request", "code is needed.")
    challenge = challenge_of(verifier)
    if challenge is None:
        raise OAuthError("invalid_grant", "code_verifier is needed, as RFC 7636 describes it.")
    kept = await PENDING.read(facade.api.store, challenge, facade.api.clock())
    if kept is None or kept.record.used:
        raise InvalidGrant
    authorization = kept.record.authorization
    if not (
        hmac.compare_digest(authorization.client.encode(), credentials.client.encode())
        and form.get("redirect_uri") == authorization.redirect_uri
    ):
        raise InvalidGrant
    answer = await _issued(
        facade,
        credentials,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": authorization.redirect_uri,
            "code_verifier": verifier,
        },
    )
    claims = await _verified(facade, answer)
    try:
        context = _context(facade, authorization, claims, answer)
        await _may_see(facade, context, claims)
        return await _kept(facade, context, claims, answer, (_used(kept, facade),))
    except (OAuthError, TokenRefused, VersionConflict) as error:
        await _withdraw(facade, credentials, answer)
        raise InvalidGrant from error


async def _may_see(facade: Facade, context: LaunchContext, claims: Claims) -> None:
    """A launch opens no patient whom the user may not see, or may not see any more: whatever the EHR or app asked for.

    Raises:
        OAuthError: the user may not.
        TokenRefused: the token is another client's or user's than the context.
    """
    caller = caller_of(claims, context, facade.fhir_url)
    if context.patient:
        looking = replace(caller, scopes=PAGE_SCOPES, patient="")
        await readable(facade, looking, "Patient", context.patient)


def _used(kept: Kept[Pending], facade: Facade) -> Write:
    used = msgspec.structs.replace(kept.record, used=True)
    return PENDING.replacement(kept, used, facade.api.clock())


def _context(
    facade: Facade, authorization: Authorization, claims: Claims, answer: Mapping[str, Any]
) -> LaunchContext:
    """What the launch is granted, now that it is known who has signed in.

    Raises:
        OAuthError: another client's token, or another user than the launch is for.
    """
    user = relative_user(claims.fhirUser, facade.fhir_url)
    if claims.azp != authorization.client:
        raise InvalidGrant
    if authorization.subject not in {"", claims.sub} or authorization.user not in {"", user}:
        raise InvalidGrant
    by_issuer = str(answer.get("scope") or claims.scope).split()
    scopes = granted(_meant(authorization), by_issuer)
    return LaunchContext(
        client=authorization.client,
        scope=" ".join(scopes),
        expires_us=int(claims.exp * 1_000_000),
        patient=authorization.patient,
        encounter=authorization.encounter,
        need_patient_banner=authorization.need_patient_banner,
        intent=authorization.intent,
        purpose=authorization.purpose,
        user=user,
        subject=claims.sub,
    )


def _meant(authorization: Authorization) -> list[str]:
    """The scopes of launches only as far as there was one of that kind."""
    missing = set()
    if authorization.purpose:
        missing |= {OFFLINE, ONLINE}  # an emergency ends with its token
    if not authorization.patient:
        missing.add(LAUNCH_PATIENT)
    if not authorization.encounter:
        missing.add(LAUNCH_ENCOUNTER)
    return [word for word in authorization.scopes if word not in missing]


async def _by_refresh_token(
    facade: Facade, credentials: Credentials, form: Mapping[str, str]
) -> dict[str, Any]:
    """A new access token in the context of the first, or with less (RFC 6749 §6)."""
    refresh_token = form.get("refresh_token")
    if refresh_token is None:
        raise OAuthError("invalid_request", "refresh_token is needed.")
    now_us = facade.api.clock()
    kept = await REFRESH_TOKENS.read(facade.api.store, refresh_token, now_us)
    if kept is None or kept.record.client != credentials.client:
        raise InvalidGrant
    first = kept.record
    scope = first.scope
    if "scope" in form:
        scope = " ".join(granted(form["scope"].split(), first.scope.split()))
        if not scope:
            raise OAuthError("invalid_scope", "None of these scopes was granted before.")
    answer = await _issued(
        facade, credentials, {"grant_type": "refresh_token", "refresh_token": refresh_token}
    )
    claims = await _verified(facade, answer)
    scope = " ".join(granted(scope.split(), str(answer.get("scope") or claims.scope).split()))
    context = msgspec.structs.replace(first, scope=scope, expires_us=int(claims.exp * 1_000_000))
    try:
        await _may_see(facade, context, claims)
        return await _kept(facade, context, claims, answer, (), first)
    except (OAuthError, TokenRefused, VersionConflict) as error:
        await _withdraw(facade, credentials, answer)
        raise InvalidGrant from error


async def _by_credentials(
    facade: Facade, credentials: Credentials, form: Mapping[str, str]
) -> dict[str, Any]:
    """A service by itself: no user, no patient, and no refresh token."""
    wanted = form.get("scope", "").split()
    issuer = await facade.issuer.metadata()
    if f"{facade.auth_url}/token" in credentials.audiences:
        text = f"The issuer takes the assertion for itself alone: aud has to be {issuer.token_endpoint}."
        raise OAuthError("invalid_client", text)
    asked = asked_of_issuer(wanted, frozenset(issuer.scopes_supported))
    if wanted and not asked:
        raise OAuthError("invalid_scope", "None of these scopes is known here.")
    answer = await _issued(
        facade, credentials, {"grant_type": "client_credentials", "scope": " ".join(asked)}
    )
    claims = await _verified(facade, answer)
    if claims.azp != credentials.client:
        raise OAuthError("invalid_client", "The client is not the one that it says.")
    by_issuer = str(answer.get("scope") or claims.scope).split()
    context = LaunchContext(
        client=credentials.client,
        scope=" ".join(granted(wanted, by_issuer) if wanted else by_issuer),
        expires_us=int(claims.exp * 1_000_000),
        subject=claims.sub,
    )
    return await _kept(facade, context, claims, answer, ())


async def _issued(
    facade: Facade, credentials: Credentials, grant: dict[str, str]
) -> dict[str, Any]:
    """The issuer's token response. Raises OAuthError where it gives none."""
    endpoint = (await facade.issuer.metadata()).token_endpoint
    answer = await posted(facade, endpoint, grant | credentials.form, credentials.authorization)
    if not isinstance(answer.get("access_token"), str):
        raise OAuthError("server_error", "The authorization server gave no token.")
    return answer


async def _verified(facade: Facade, answer: Mapping[str, Any]) -> Claims:
    """The claims of the access token that the issuer just gave.

    Raises:
        OAuthError: it is none for this server, which is a matter of how the issuer is set up.
        IssuerUnreachable: its keys are not known.
    """
    try:
        return await facade.verify(answer["access_token"])
    except TokenRefused as error:
        log.warning("issuer_gave_useless_token", reason=error.text)
        text = "The authorization server's token is none for this server."
        raise OAuthError("server_error", text) from error


async def _kept(
    facade: Facade,
    context: LaunchContext,
    claims: Claims,
    answer: Mapping[str, Any],
    spent: tuple[Write, ...],
    first: LaunchContext | None = None,
) -> dict[str, Any]:
    """Keeps the context, and then answers: nobody has a token whose context is not there.

    ``first``: what the refresh token stands for, where it has more than this access token.

    Raises:
        VersionConflict: the code was used at the same time.
    """
    now_us = facade.api.clock()
    writes = (*spent, TOKENS.write(claims.jti, context, now_us))
    lasting = first or context
    refresh_token = answer.get("refresh_token")
    if not isinstance(refresh_token, str) or not {OFFLINE, ONLINE} & lasting.scopes:
        refresh_token = None
    if refresh_token is not None:
        refresh_s = answer.get("refresh_expires_in")
        seconds = refresh_s if isinstance(refresh_s, int) else 0
        record = renewing(msgspec.structs.replace(lasting, token_id=claims.jti), now_us, seconds)
        earlier = await REFRESH_TOKENS.read(facade.api.store, refresh_token, now_us)
        writes += (
            REFRESH_TOKENS.write(refresh_token, record, now_us)
            if earlier is None
            else REFRESH_TOKENS.replacement(earlier, record, now_us),
        )
    await facade.api.store.commit(Commit(writes=writes))
    told: dict[str, Any] = {
        "access_token": answer["access_token"],
        "token_type": "Bearer",
        "expires_in": max(0, int(claims.exp - now_us / 1_000_000)),
        "scope": context.scope,
    }
    if refresh_token is not None:
        told["refresh_token"] = refresh_token
    if "openid" in context.scopes and isinstance(answer.get("id_token"), str):
        told["id_token"] = answer["id_token"]
    return told | context_members(facade, context)


def context_members(facade: Facade, context: LaunchContext) -> dict[str, Any]:
    """What a token response and an introspection say of the launch.

    https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
    """
    if not context.user and not context.patient:
        return {}  # a service shows nothing to anybody
    told: dict[str, Any] = {"smart_style_url": f"{facade.auth_url}/style.json"}
    if context.patient:
        told |= {"patient": context.patient, "need_patient_banner": context.need_patient_banner}
    if context.encounter:
        told["encounter"] = context.encounter
    if context.intent:
        told["intent"] = context.intent
    return told


async def _withdraw(facade: Facade, credentials: Credentials, answer: Mapping[str, Any]) -> None:
    """Tokens that are not handed out are ended at the issuer, as far as it can be reached."""
    endpoint = (await facade.issuer.metadata()).revocation_endpoint
    for name in ("refresh_token", "access_token"):
        if endpoint and isinstance(answer.get(name), str):
            with suppress(OAuthError, FhirError):
                form = {"token": answer[name], **credentials.form}
                await posted(facade, endpoint, form, credentials.authorization)
