"""``/auth/authorize``: checks what only we can check, remembers the launch, and hands the user over to the issuer.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code. Nobody is sent to an address
that the issuer has not been seen to accept for that client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_api.smart import pages, sign_in
from fhir_api.smart.authorizations import (
    EMERGENCY,
    PENDING,
    PENDING_S,
    Authorization,
    Pending,
)
from fhir_api.smart.backchannel import is_registered, with_query
from fhir_api.smart.facade import Facade
from fhir_api.smart.granting import LAUNCH, LAUNCH_PATIENT, asked_of_issuer
from fhir_api.smart.launches import LAUNCHES, launch_of
from fhir_api.smart.oauth import OAuthError, as_oauth, form_of, parameters_of
from fhir_api.smart.scopes import Level, resource_scopes
from store.errors import VersionConflict
from store.interface import Commit, Outgoing, Write

MOST_SCOPES = 200
MOST_CHARACTERS = 2048
PASSED_ON = ("nonce", "prompt", "max_age", "login_hint", "ui_locales", "acr_values")
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")
_SCOPE = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")
"""https://www.rfc-editor.org/rfc/rfc6749#section-3.3"""
_REDIRECT = re.compile(
    r"(?!(?i:javascript|data|vbscript|blob|file):)[A-Za-z][A-Za-z0-9+.\-]*:[!-~]+"
)
"""An absolute URI that is no program; which ones are right, the issuer knows."""


async def authorize(facade: Facade, request: Request) -> Response:
    """303 to the issuer, to a page of ours, or back to the app with an error."""
    parameters: Mapping[str, str] = {}
    try:
        if request.method == "POST":
            parameters = await form_of(request)
        else:
            parameters = parameters_of(request.url.query)
        return await _begun(facade, parameters)
    except Exception as error:  # noqa: BLE001 - the boundary
        return await refused(facade, parameters, as_oauth(error, request.method))


async def _begun(facade: Facade, parameters: Mapping[str, str]) -> Response:
    authorization = _checked(facade, parameters)
    spent: tuple[Write, ...] = ()
    if "launch" in parameters:
        if LAUNCH not in authorization.scopes:
            raise OAuthError("invalid_scope", "A launch needs the scope launch.")
        kept = await launch_of(facade, parameters["launch"], authorization.client)
        launch = kept.record
        authorization = msgspec.structs.replace(
            authorization,
            patient=launch.patient,
            encounter=launch.encounter,
            intent=launch.intent,
            need_patient_banner=launch.need_patient_banner,
            user=launch.user,
            subject=launch.subject,
        )
        spent = (LAUNCHES.removal(kept, facade.api.clock()),)
    try:
        if authorization.purpose or (_wants_patient(authorization) and not authorization.patient):
            # A page of ours comes first: it is shown for apps that the issuer knows at that address, and no other.
            if not await is_registered(facade, authorization.client, authorization.redirect_uri):
                raise OAuthError("invalid_request", UNKNOWN_APP)
            return await sign_in.begin(facade, authorization, spent)
        return await at_issuer(facade, authorization, spent)
    except VersionConflict as error:
        text = "This was begun before, and cannot be begun twice: open the app again."
        raise OAuthError("invalid_request", text) from error


UNKNOWN_APP = "The app is not registered here, or not with this address."


async def at_issuer(
    facade: Facade,
    authorization: Authorization,
    spent: tuple[Write, ...],
    outbox: tuple[Outgoing, ...] = (),
) -> RedirectResponse:
    """Remembers the authorization, uses up what led here, and redirects to the issuer: all or nothing of it.

    Raises:
        VersionConflict: the launch or the challenge was used meanwhile.
        OAuthError: the issuer cannot grant any of it.
    """
    issuer = await facade.issuer.metadata()
    scopes = asked_of_issuer(authorization.scopes, frozenset(issuer.scopes_supported))
    now_us = facade.api.clock()
    pending = Pending(now_us + PENDING_S * 1_000_000, authorization)
    writes = (*spent, PENDING.write(authorization.challenge, pending, now_us))
    await facade.api.store.commit(Commit(writes=writes, outbox=outbox))
    query = {
        "response_type": "code",
        "client_id": authorization.client,
        "redirect_uri": authorization.redirect_uri,
        "scope": " ".join(scopes),
        "state": authorization.state,
        "code_challenge": authorization.challenge,
        "code_challenge_method": "S256",
        **authorization.passed_on,
    }
    return RedirectResponse(
        with_query(issuer.authorization_endpoint, query), 303, pages.NOT_KEPT_NOR_TOLD
    )


def _checked(facade: Facade, parameters: Mapping[str, str]) -> Authorization:
    """What the app asks for, each of its parameters checked.

    Raises:
        OAuthError: it asks for something else than this server does.
    """

    def required(name: str, most: int = MOST_CHARACTERS) -> str:
        value = parameters.get(name, "")
        if not value or len(value) > most:
            raise OAuthError("invalid_request", f"{name} is needed, of at most {most} characters.")
        return value

    client, redirect_uri = required("client_id", 256), required("redirect_uri")
    if not _REDIRECT.fullmatch(redirect_uri) or "#" in redirect_uri:
        raise OAuthError("invalid_request", "redirect_uri has to be an absolute URI without '#'.")
    if required("response_type", 64) != "code":
        raise OAuthError("unsupported_response_type", "response_type has to be code.")
    state = required("state", 1024)
    if required("aud").rstrip("/") != facade.fhir_url:
        raise OAuthError("invalid_request", f"aud has to be {facade.fhir_url}.")
    if parameters.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "code_challenge_method has to be S256.")
    challenge = required("code_challenge", 43)
    if not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "code_challenge is no SHA-256 in base64url.")
    scope = required("scope", 4 * MOST_CHARACTERS)
    if not _SCOPE.fullmatch(scope) or scope.count(" ") >= MOST_SCOPES:
        text = f"scope holds at most {MOST_SCOPES} words, with single spaces between."
        raise OAuthError("invalid_scope", text)
    if any(granted.level is Level.SYSTEM for granted in resource_scopes(scope)):
        raise OAuthError("invalid_scope", "system/ scopes are for services without a user.")
    if parameters.get("purpose", EMERGENCY) != EMERGENCY:
        raise OAuthError("invalid_request", f"purpose can only be {EMERGENCY}.")
    return Authorization(
        client=client,
        redirect_uri=redirect_uri,
        state=state,
        scope=scope,
        challenge=challenge,
        passed_on={name: required(name) for name in PASSED_ON if name in parameters},
        purpose=parameters.get("purpose", ""),
    )


def _wants_patient(authorization: Authorization) -> bool:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#apps-that-launch-from-the-ehr: who
    asks for a patient's data has to get a patient.
    """
    return LAUNCH_PATIENT in authorization.scopes or any(
        scope.level is Level.PATIENT for scope in resource_scopes(authorization.scope)
    )


async def refused(facade: Facade, parameters: Mapping[str, str], refusal: OAuthError) -> Response:
    """Back to the app with the error (RFC 6749 §4.1.2.1), where the issuer knows it at that address; else a page."""
    client, redirect_uri = parameters.get("client_id", ""), parameters.get("redirect_uri", "")
    is_plausible = 0 < len(client) <= 256 and len(redirect_uri) <= MOST_CHARACTERS
    if is_plausible and _REDIRECT.fullmatch(redirect_uri) and "#" not in redirect_uri:
        try:
            known = refusal.description != UNKNOWN_APP and await is_registered(
                facade, client, redirect_uri
            )
        except Exception as error:  # noqa: BLE001 - the boundary: without the issuer there is only the page
            known = False
            refusal = as_oauth(error, "GET")
        if known:
            told = {"error": refusal.error, "error_description": refusal.description}
            state = parameters.get("state", "")
            if 0 < len(state) <= 1024:
                told["state"] = state
            return RedirectResponse(with_query(redirect_uri, told), 303, pages.NOT_KEPT_NOR_TOLD)
    return pages.notice("The app cannot be opened", refusal.description, refusal.status)
