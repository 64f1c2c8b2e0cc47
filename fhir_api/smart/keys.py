"""The public keys of an issuer, as its JWK Set tells them (RFC 7517)."""

from __future__ import annotations

from typing import Any, Final, Protocol

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

log = structlog.get_logger(__name__)

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Signatures that only the holder of a private key can make: no ``none``, no HMAC (RFC 8725 §3.1)."""

MOST_KEYS: Final = 64
LEAST_RSA_BITS: Final = 2048


class Keys(Protocol):
    """The keys of one issuer."""

    async def key(self, kid: str) -> PyJWK:
        """The key of that name, bound to one algorithm.

        Raises:
            TokenRefused: the issuer has no such key.
            IssuerUnreachable: whether it has cannot be told now.
        """
        ...


def keys_of(jwk_set: dict[str, Any]) -> dict[str, PyJWK]:
    """Key id → key, of those that verify signatures and are good for that. The others are left out."""
    listed = jwk_set.get("keys")
    found = {}
    for jwk in listed[:MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            continue
        key = _key_of(jwk)
        if key is None:
            log.warning("key_left_out")
        else:
            found[str(jwk["kid"])] = key
    return found


def _key_of(jwk: dict[str, Any]) -> PyJWK | None:
    kid, algorithm = jwk.get("kid"), jwk.get("alg", "")
    if not isinstance(kid, str) or not kid or not isinstance(algorithm, str):
        return None
    # An issuer that publishes a private key ("d") has lost it.
    if algorithm not in ALGORITHMS | {""} or "d" in jwk:
        return None
    try:
        key = PyJWK(jwk)
    except (PyJWTError, UnsupportedAlgorithm, TypeError, ValueError):
        return None
    if key.algorithm_name not in ALGORITHMS:
        return None
    is_short = isinstance(key.key, RSAPublicKey) and key.key.key_size < LEAST_RSA_BITS
    return None if is_short else key
