"""Page links: a sealed token says all that the next page needs, and nobody but us can read or change it.

The token holds the search's own parameters and the place after the last row. Both can be PHI (a name that is
searched for, a birth date that is sorted by), and URLs end up in logs, so they are encrypted: AES-SIV (RFC 5297),
which is deterministic, so the same page has the same link. The link grants nothing: whoever follows it is asked for
the same rights as for the search.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from fhir_api.errors import Category, FhirError
from fhir_api.search.grammar import Pairs
from store.query import Cursor, SortValue

PAGE = "_page"
_PURPOSE = b"healthvision search page 1"


class _Place(msgspec.Struct, array_like=True, frozen=True):
    """What a token holds."""

    pairs: list[tuple[str, str]]
    values: list[str | int | float | None]
    position: int | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Place)


@lru_cache(maxsize=4)
def _cipher(key: bytes) -> AESSIV:
    return AESSIV(key)


def seal(key: bytes, place: str, pairs: Pairs, cursor: Cursor | None) -> str:
    """The token of the page that follows ``cursor`` in the search by ``pairs``; of the first page for None.

    Args:
        key: 32 or 64 bytes, the same in every process of the deployment.
        place: where the search is, as in the URL; a token is good there only.
        pairs: the parameters that were used.
        cursor: the place after the last match of the page before.
    """
    values: list[SortValue] = list(cursor.values) if cursor else []
    held = _encoder.encode(_Place(pairs, values, cursor.position if cursor else None))
    sealed = _cipher(key).encrypt(held, [_PURPOSE, place.encode()])
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(key: bytes, place: str, token: str) -> tuple[Pairs, Cursor | None]:
    """The parameters and the place of a page, as ``seal`` took them.

    Raises:
        FhirError: ``invalid``: not a token of ours, or one of another place or deployment.
    """
    try:
        sealed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        held = _decoder.decode(_cipher(key).decrypt(sealed, [_PURPOSE, place.encode()]))
    except (UnicodeEncodeError, Base64Error, ValueError, InvalidTag, msgspec.DecodeError) as error:
        raise FhirError(
            Category.INVALID,
            "This is not a page link of this server: search again from the first page.",
            f"http.{PAGE}",
        ) from error
    if held.position is None:
        return held.pairs, None
    return held.pairs, Cursor(tuple(held.values), held.position)
