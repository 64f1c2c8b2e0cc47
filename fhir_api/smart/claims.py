"""What a token says of itself, checked for its form and for nothing else (RFC 7519, RFC 9068, Keycloak's own claims)."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, NoReturn

import msgspec
from jwt.utils import base64url_decode

from fhir_api.smart.refusals import TokenRefused

MOST_TOKEN_BYTES: Final = 16 * 1024
"""A token of Keycloak with hundreds of scopes and roles has less than half of that."""

ACCESS_TOKEN: Final = "at+jwt"
"""``typ`` of the header of an access token (https://www.rfc-editor.org/rfc/rfc9068#section-2.1)."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Header(msgspec.Struct, frozen=True):
    """The protected header. To what it says of keys (jku, jwk, x5u, x5c), nobody listens."""

    alg: str
    kid: Name
    typ: str = ""
    crit: Any = msgspec.UNSET


class RealmAccess(msgspec.Struct, frozen=True):
    roles: tuple[str, ...] = ()


class Claims(msgspec.Struct, frozen=True):
    """The claims that are read here."""

    iss: Name
    sub: Name
    jti: Name
    exp: float
    """Seconds since 1970."""
    aud: str | tuple[str, ...]
    azp: str = ""
    """Keycloak: the client."""
    client_id: str = ""
    """RFC 9068: the client."""
    typ: str | None = None
    """Keycloak: what the token is for (Bearer, ID, Refresh, Offline, Logout)."""
    scope: str = ""
    realm_access: RealmAccess = RealmAccess()
    fhirUser: str = ""  # noqa: N815 - SMART's name
    patient: str = ""
    encounter: str = ""
    purpose: str = ""
    cnf: Any = msgspec.UNSET

    @property
    def client(self) -> str:
        """Who was given the token; '': it does not say."""
        return self.azp or self.client_id


class Token(msgspec.Struct, frozen=True):
    """A token that can be read; whether it is true is another question."""

    text: str
    header: Header
    claims: Claims

    @property
    def is_bearer_access(self) -> bool:
        """Whether it is made for what it is used for here.

        An ID, refresh or logout token is not, nor one that is bound to a key which its bearer has to prove (``cnf``).
        """
        if self.claims.cnf is not msgspec.UNSET:
            return False
        if self.claims.typ is not None:
            return self.claims.typ == "Bearer"
        return self.header.typ.lower().removeprefix("application/") == ACCESS_TOKEN


def read_token(text: str) -> Token:
    """The token's header and claims.

    Raises:
        TokenRefused: it is too long, or no JWT with the members that are needed, each once.
    """
    if len(text) > MOST_TOKEN_BYTES:
        raise TokenRefused("The token is too long.")
    try:
        header, claims, _signature = text.split(".", 3)
        return Token(
            text,
            msgspec.convert(_members(header), Header),
            msgspec.convert(_members(claims), Claims),
        )
    except msgspec.ValidationError as error:
        # Its message names a claim and a type, and no value.
        raise TokenRefused(f"The token cannot be read: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise TokenRefused from error


def _members(part: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(
        base64url_decode(part.encode("ascii")),
        object_pairs_hook=_each_once,
        parse_constant=_no_number,
    )


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 §4 lets a reader choose: two readers that choose differently would see two tokens."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands there twice")
    return members


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")
