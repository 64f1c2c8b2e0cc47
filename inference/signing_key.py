"""The key that a worker proves itself with, and the assertion that it signs.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from inference.errors import CredentialUnusable

LIFETIME_S = 60
"""Of an assertion. The standard allows five minutes; Keycloak one, unless it is told otherwise."""
LEAST_RSA_BITS = 2048
THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and its public side as a JWK whose ``kid`` is its thumbprint (RFC 7638)."""

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    algorithm: str
    """ES384 or RS384."""
    public_jwk: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.public_jwk["kid"])

    def assertion(self, client_id: str, audience: str) -> str:
        """A JWT that says who the client is, for one use (RFC 7523 §3)."""
        now_s = int(time.time())
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, self.private, self.algorithm, headers={"kid": self.id})


def read_signing_key(file: Path) -> SigningKey:
    """Reads a private key in PEM, not encrypted: on P-384, or RSA of 2048 bits or more.

    Raises:
        CredentialUnusable: there is none in the file.
    """
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CredentialUnusable("the worker's key file holds no private key in PEM") from error
    return signing_key(key)


def signing_key(key: object) -> SigningKey:
    """Raises CredentialUnusable where the standard's algorithms do not sign with such a key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return SigningKey(key, "ES384", _named(ECAlgorithm.to_jwk(key.public_key(), as_dict=True)))
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS:
        return SigningKey(key, "RS384", _named(RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)))
    raise CredentialUnusable("the worker's key is neither on P-384 nor RSA of 2048 bits or more")


def _named(jwk: dict[str, Any]) -> dict[str, Any]:
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    spelled = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(spelled).digest()).rstrip(b"=").decode()
    algorithm = "ES384" if jwk["kty"] == "EC" else "RS384"
    return {**members, "kid": thumbprint, "alg": algorithm, "use": "sig"}
