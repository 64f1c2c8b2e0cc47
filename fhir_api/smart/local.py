"""Tokens of our own, for a deployment without an authorization server: signed by its own key (Ed25519, RFC 8037)."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from jwt.utils import base64url_encode

from fhir_api.smart.claims import ACCESS_TOKEN
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.scopes import ResourceScope

SEED_BYTES = 32
ALGORITHM = "EdDSA"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is to say.

    Attributes:
        client: who uses it.
        scopes: what it opens.
        lifetime_s: seconds until it expires.
        roles: what its user or service is here.
        user: ``Practitioner/1``; '' for a service.
        patient, encounter: ids of the context; '' for none.
        purpose: purpose of use, a code of v3-ActReason; '' where there is none.
    """

    client: str
    scopes: tuple[ResourceScope, ...]
    lifetime_s: int
    roles: frozenset[str] = field(default_factory=frozenset)
    user: str = ""
    patient: str = ""
    encounter: str = ""
    purpose: str = ""


class LocalIssuer:
    """The deployment itself as an issuer; every process that has its key is the same one."""

    def __init__(self, url: str, seed: bytes) -> None:
        """``url``: names the issuer, and the server that its tokens are for. ``seed``: 32 secret bytes."""
        self.url = url
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        jwk = OKPAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        self._kid = _thumbprint(jwk)
        self._public = jwt.PyJWK(jwk, ALGORITHM)

    async def key(self, kid: str) -> jwt.PyJWK:
        """As ``keys.Keys`` says."""
        if kid != self._kid:
            raise TokenRefused
        return self._public

    def token(self, grant: Grant) -> str:
        """A new token, from now on."""
        now_s = int(time.time())
        claims = {
            "iss": self.url,
            "aud": self.url,
            "sub": grant.user or grant.client,
            # Hexadecimal: as an argument of a command it is never taken for an option.
            "jti": secrets.token_hex(16),
            "iat": now_s,
            "exp": now_s + grant.lifetime_s,
            "client_id": grant.client,
            "scope": " ".join(map(str, grant.scopes)),
            "realm_access": {"roles": sorted(grant.roles)},
            "fhirUser": grant.user,
            "patient": grant.patient,
            "encounter": grant.encounter,
            "purpose": grant.purpose,
        }
        return jwt.encode(
            {name: value for name, value in claims.items() if value != ""},
            self._private,
            ALGORITHM,
            {"kid": self._kid, "typ": ACCESS_TOKEN},
        )


def _thumbprint(jwk: Mapping[str, str]) -> str:
    """RFC 7638: the required members, in order, without spaces."""
    members = json.dumps(dict(jwk), sort_keys=True, separators=(",", ":"))
    return base64url_encode(hashlib.sha256(members.encode()).digest()).decode()
