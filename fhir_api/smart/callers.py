"""A true token's claims, and what its launch was granted, as the one thing that the access decision knows: a Caller."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from fhir_api.access import OURSELVES, Caller
from fhir_api.roles import ROLES
from fhir_api.smart.claims import Claims
from fhir_api.smart.contexts import LaunchContext
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.scopes import resource_scopes

RESERVED: Final = frozenset({"operator", "worker", "nobody", OURSELVES.id})
"""Ids of callers that no client may have: they are the deployment's own."""

_USER = re.compile(
    r"(?:Patient|Practitioner|PractitionerRole|RelatedPerson|Person)/[A-Za-z0-9\-.]{1,64}"
)
"""https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data"""


def caller_of(claims: Claims, context: LaunchContext, base_url: str) -> Caller:
    """Who sends the token.

    Args:
        claims: of a token that is true.
        context: what its launch was granted.
        base_url: of this FHIR server; a user elsewhere is nobody here.

    Raises:
        TokenRefused: it names no client, or is not the one that the context was kept for.
    """
    if not claims.client or claims.client in RESERVED:
        raise TokenRefused("The token names no client.")
    if context.client != claims.client or context.subject not in {"", claims.sub}:
        raise TokenRefused
    return Caller(
        id=claims.client,
        roles=ROLES.intersection(claims.realm_access.roles),
        scopes=resource_scopes(context.scope),
        user=context.user or relative_user(claims.fhirUser, base_url),
        subject=claims.sub,
        patient=context.patient,
        encounter=context.encounter,
        token_id=claims.jti,
        purpose=context.purpose,
    )


def own_context(claims: Claims) -> LaunchContext:
    """What a token of our own says of its launch."""
    return LaunchContext(
        client=claims.client,
        scope=claims.scope,
        expires_us=int(claims.exp * 1_000_000),
        patient=claims.patient,
        encounter=claims.encounter,
        purpose=claims.purpose,
    )


def no_context(claims: Claims) -> LaunchContext:
    """Of another issuer's token that no launch of ours gave out: whatever it says, it is about no patient."""
    return msgspec.structs.replace(own_context(claims), patient="", encounter="", purpose="")


def relative_user(fhir_user: str, base_url: str) -> str:
    """``Practitioner/1``, where it is a person on this server; else ''."""
    relative = fhir_user.removeprefix(f"{base_url}/") if base_url else fhir_user
    return relative if _USER.fullmatch(relative) else ""
