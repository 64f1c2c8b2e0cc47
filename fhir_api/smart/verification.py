"""Whether a token is true: signed by an issuer that is trusted, for this server, for now (RFC 7519 §7.2, RFC 8725)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jwt
import msgspec

from fhir_api.smart.claims import Claims, read_token
from fhir_api.smart.keys import ALGORITHMS, Keys
from fhir_api.smart.refusals import TokenRefused


@dataclass(frozen=True, slots=True)
class Trust:
    """An issuer whose tokens are taken.

    Attributes:
        keys: what it signs with.
        audience: what ``aud`` has to name.
        tells_context: whether its tokens carry the launch context themselves (our own do). Of another issuer's, only
            what was kept when the app was launched is believed.
    """

    keys: Keys
    audience: str
    tells_context: bool = False


async def verified(text: str, trusted: Mapping[str, Trust], skew_s: float) -> Claims:
    """The claims of a true access token.

    Args:
        text: the token, as it was sent.
        trusted: issuer → on what terms.
        skew_s: how far clocks may differ.

    Raises:
        TokenRefused: it is not.
        IssuerUnreachable: that cannot be told now.
    """
    token = read_token(text)
    trust = trusted.get(token.claims.iss)
    if trust is None:
        raise TokenRefused("The token is from an issuer that this server does not know.")
    if token.header.alg not in ALGORITHMS or token.header.crit is not msgspec.UNSET:
        raise TokenRefused
    if not token.is_bearer_access:
        raise TokenRefused("The token is no access token.")
    key = await trust.keys.key(token.header.kid)
    try:
        jwt.decode(
            text,
            key,
            algorithms=[key.algorithm_name],
            audience=trust.audience,
            issuer=token.claims.iss,
            leeway=skew_s,
            options={"require": ["iss", "aud", "exp", "iat", "sub", "jti"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise TokenRefused("The token has expired.") from error
    except jwt.ImmatureSignatureError as error:
        raise TokenRefused("The token is not valid yet.") from error
    except jwt.InvalidAudienceError as error:
        raise TokenRefused("The token is for another server.") from error
    except jwt.PyJWTError as error:
        raise TokenRefused from error
    return token.claims
