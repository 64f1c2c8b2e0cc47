"""What a token of the issuer means here: the patient, encounter and scopes that its launch was granted.

The issuer (Keycloak) knows nothing of it: what it keeps belongs to the user's session there, in which two apps may be
open on two patients. So the context is kept here, by the token's ``jti`` and by the digest of the refresh token
(docs/adr/0017-a-thin-facade-before-keycloak.md). A token without a kept context has no patient.
"""

from __future__ import annotations

import msgspec

from fhir_api.smart.records import Kind
from store.interface import Store

REFRESH_KEPT_US = 90 * 24 * 3600 * 1_000_000
"""How long the context of a refresh token is kept whose end the issuer does not tell (offline access)."""


class LaunchContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one launch was granted; it ends with the token that it belongs to.

    https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
    """

    client: str
    """The app: whoever else shows the token is refused."""
    scope: str
    """What was granted, as the token response says it: never more than the token itself, often less."""
    expires_us: int
    patient: str = ""
    """Id of the Patient in context; '': none."""
    encounter: str = ""
    """Id of the Encounter in context."""
    need_patient_banner: bool = True
    """Whether the app has to show whose data it shows."""
    intent: str = ""
    """What the EHR and the app have agreed to call the reason of the launch."""
    purpose: str = ""
    """Purpose of use, a code of v3-ActReason; ``BTG``: the patient was opened in an emergency."""
    user: str = ""
    """``Practitioner/1``: the user as a resource of this server."""
    subject: str = ""
    """The issuer's stable id of the user (``sub``)."""
    token_id: str = ""
    """With a refresh token: ``jti`` of the access token that came with it, which is revoked together with it."""

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())


TOKENS: Kind[LaunchContext] = Kind("smart:context", LaunchContext)
"""By ``jti``."""
REFRESH_TOKENS: Kind[LaunchContext] = Kind("smart:refresh", LaunchContext)
"""By the refresh token itself, of which only the digest is kept."""


async def context_of(store: Store, jti: str, now_us: int) -> LaunchContext | None:
    """The context of the access token with this ``jti``; None: none was kept, and it grants no patient."""
    kept = await TOKENS.read(store, jti, now_us)
    return kept.record if kept else None


async def context_of_refresh_token(
    store: Store, refresh_token: str, now_us: int
) -> LaunchContext | None:
    """The context in which a refresh token gives new access tokens."""
    kept = await REFRESH_TOKENS.read(store, refresh_token, now_us)
    return kept.record if kept else None


def renewing(context: LaunchContext, now_us: int, refresh_s: int) -> LaunchContext:
    """The context as it is kept for a refresh token that ends in ``refresh_s`` seconds; 0: the issuer does not say."""
    lifetime_us = refresh_s * 1_000_000 or REFRESH_KEPT_US
    return msgspec.structs.replace(context, expires_us=now_us + lifetime_us)
