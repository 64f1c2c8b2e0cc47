"""``/auth/introspect``: what a token is good for, told to other resource servers, with its launch.

https://www.rfc-editor.org/rfc/rfc7662, https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fhir_api.smart.backchannel import own_authorization, posted
from fhir_api.smart.callers import relative_user
from fhir_api.smart.claims import Claims
from fhir_api.smart.contexts import context_of
from fhir_api.smart.facade import Facade
from fhir_api.smart.oauth import OAuthError, credentials_of, form_of, json_answer
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.revocation import REVOCATIONS
from fhir_api.smart.token import context_members


async def introspect(facade: Facade, request: Request) -> Response:
    """200 with ``active``; whatever is wrong with the token, nothing else is told.

    Raises:
        OAuthError: who asks may not.
    """
    form = await form_of(request)
    token = form.get("token")
    if token is None:
        raise OAuthError("invalid_request", "token is needed.")
    asked = {"token": token}
    if request.headers.get("authorization", "")[:7].lower() == "bearer ":
        caller = await facade.authenticate(dict(request.headers))
        if "operator" not in caller.roles and caller.id not in facade.launch_clients:
            raise OAuthError("insufficient_scope", "This token may not introspect others.")
        if not facade.client_secret:
            raise OAuthError("temporarily_unavailable", "The server has no secret at the issuer.")
        authorization = own_authorization(facade)
    else:
        # A client that proves who it is: whether it may ask, the issuer says.
        credentials = credentials_of(request, form)
        asked |= credentials.form
        authorization = credentials.authorization
    endpoint = (await facade.issuer.metadata()).introspection_endpoint
    known = await posted(facade, endpoint, asked, authorization)
    if known.get("active") is not True:
        return json_answer({"active": False})
    try:
        claims = await facade.verify(token)
    except TokenRefused:
        return json_answer({"active": False})
    return json_answer(await _told(facade, claims))


async def _told(facade: Facade, claims: Claims) -> dict[str, Any]:
    store, now_us = facade.api.store, facade.api.clock()
    if await REVOCATIONS.read(store, claims.jti, now_us) is not None:
        return {"active": False}
    told: dict[str, Any] = {
        "active": True,
        "scope": claims.scope,
        "client_id": claims.azp or claims.client_id,
        "exp": int(claims.exp),
        "iss": claims.iss,
        "sub": claims.sub,
        "aud": claims.aud,
        "jti": claims.jti,
        "token_type": "Bearer",
    }
    user = relative_user(claims.fhirUser, facade.fhir_url)
    if user:
        told["fhirUser"] = f"{facade.fhir_url}/{user}"
    context = await context_of(store, claims.jti, now_us)
    if context is not None:
        told |= {"scope": context.scope, **context_members(facade, context)}
    return told
