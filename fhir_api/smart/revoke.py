"""``/auth/revoke``: a client gives a token back, and no process takes it any more from that moment.

https://www.rfc-editor.org/rfc/rfc7009
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from fhir_api.smart.backchannel import posted
from fhir_api.smart.contexts import REFRESH_TOKENS, TOKENS
from fhir_api.smart.facade import Facade
from fhir_api.smart.oauth import OAuthError, credentials_of, form_of, json_answer
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.revocation import revoke as revoke_here
from store.interface import Commit


async def revoke(facade: Facade, request: Request) -> Response:
    """200, also for a token that is none: then there is nothing to revoke (RFC 7009 §2.2).

    Raises:
        OAuthError: the client is not the one that it says, or the token is another client's.
    """
    form = await form_of(request)
    credentials = credentials_of(request, form)
    token = form.get("token")
    if token is None:
        raise OAuthError("invalid_request", "token is needed.")
    # The issuer knows the client, and whether the token is its own.
    endpoint = (await facade.issuer.metadata()).revocation_endpoint
    passed = {name: form[name] for name in ("token", "token_type_hint") if name in form}
    await posted(facade, endpoint, passed | credentials.form, credentials.authorization)
    await _end_refresh_token(facade, credentials.client, token)
    await _end_access_token(facade, credentials.client, token)
    return json_answer({})


async def _end_refresh_token(facade: Facade, client: str, token: str) -> None:
    """With it ends the access token that came with it."""
    store, now_us = facade.api.store, facade.api.clock()
    kept = await REFRESH_TOKENS.read(store, token, now_us)
    if kept is None or kept.record.client != client:
        return
    access = await TOKENS.read(store, kept.record.token_id, now_us)
    if access is not None:
        await revoke_here(store, kept.record.token_id, access.record.expires_us, now_us)
    await store.commit(Commit(writes=(REFRESH_TOKENS.removal(kept, now_us),)))


async def _end_access_token(facade: Facade, client: str, token: str) -> None:
    try:
        claims = await facade.verify(token)
    except TokenRefused:
        return
    if client in {claims.azp, claims.client_id}:
        now_us = facade.api.clock()
        await revoke_here(facade.api.store, claims.jti, int(claims.exp * 1_000_000), now_us)
