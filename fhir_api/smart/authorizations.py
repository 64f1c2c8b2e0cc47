"""An authorization on its way: what an app asked for, until its code comes back as a token.

Its key is the app's PKCE challenge, which only who has the verifier can answer: so a code, whose ever it is, never
meets the context of another launch, though both belong to one user in one browser.
"""

from __future__ import annotations

import base64
import hashlib
import re

import msgspec

from fhir_api.smart.records import Kind
from store.interface import Outgoing

PENDING_S = 600
"""Time to sign in at the issuer; the code that comes of it lives for as long as the issuer says (Keycloak: 60 s)."""
EMERGENCY = "BTG"
"""Break the glass: https://terminology.hl7.org/CodeSystem-v3-ActReason.html"""
EMERGENCIES = "emergency-access"
"""Topic of the outbox: what the audit has to tell of patients that were opened in an emergency."""

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


class Authorization(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the app asked for, and what has been found out about it since."""

    client: str
    redirect_uri: str
    state: str
    scope: str
    """As the app asked."""
    challenge: str
    passed_on: dict[str, str] = {}
    """Parameters of OpenID Connect that are the issuer's alone: nonce, prompt, login_hint, …"""
    patient: str = ""
    encounter: str = ""
    intent: str = ""
    need_patient_banner: bool = True
    purpose: str = ""
    user: str = ""
    subject: str = ""
    """Who has to come back with the code; '': whoever the issuer signs in."""

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.scope.split()))


class Pending(msgspec.Struct, frozen=True):
    """An authorization that the issuer is working on. It is used once, and remembered as used until it ends."""

    expires_us: int
    authorization: Authorization
    used: bool = False


PENDING: Kind[Pending] = Kind("smart:pending", Pending)
"""By the challenge."""


class Emergency(msgspec.Struct, frozen=True):
    """A patient was opened in an emergency, outside of any launch: who, with what, whom, and why."""

    at_us: int
    client: str
    user: str
    subject: str
    patient: str
    reason: str

    def outgoing(self, key: str) -> Outgoing:
        return Outgoing(EMERGENCIES, msgspec.json.encode(self), key)


def challenge_of(verifier: str) -> str | None:
    """S256 (https://www.rfc-editor.org/rfc/rfc7636#section-4.6); None where it is no verifier."""
    if not _VERIFIER.fullmatch(verifier):
        return None
    hashed = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
