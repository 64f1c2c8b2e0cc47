"""An OpenID provider: where its endpoints are and which keys it signs with, asked for when they are needed and kept.

A key that is not known is asked for, so that the provider may change its keys whenever it likes; but a crowd of made-up
key ids is one question every ``ASK_AGAIN_S`` at most, and whoever comes meanwhile waits for the same answer. While the
provider does not answer, what it said last holds for ``KEPT_S``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog
from jwt import PyJWK

from fhir_api.smart.documents import DocumentUnavailable, document_client, json_document
from fhir_api.smart.keys import keys_of
from fhir_api.smart.refusals import IssuerUnreachable, TokenRefused

log = structlog.get_logger(__name__)

ASK_AGAIN_S: Final = 5.0
FRESH_S: Final = 300.0
"""After that long the keys are asked for again, beside the requests: a key that was withdrawn ends."""
KEPT_S: Final = 24 * 3600.0


class Metadata(msgspec.Struct, frozen=True):
    """What we use of https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str = ""
    introspection_endpoint: str = ""
    scopes_supported: tuple[str, ...] = ()
    end_session_endpoint: str = ""


class Said(msgspec.Struct, frozen=True):
    """One answer of a provider."""

    metadata: Metadata
    keys: dict[str, PyJWK]


class Issuer:
    """One provider, as one API process knows it. Used on one event loop; to be closed."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``url``: the issuer, just as its tokens name it (``iss``). ``clock``: seconds since whenever."""
        self.url = url
        self.client = document_client()
        """For what is asked of the issuer's endpoints, beside its documents."""
        self._clock = clock
        self._said: Said | None = None
        self._asked_s = self._answered_s = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def metadata(self) -> Metadata:
        """Raises IssuerUnreachable."""
        said = self._valid()
        if said is None:
            await self._ask()
            said = self._valid()
        if said is None:
            raise IssuerUnreachable
        return said.metadata

    async def key(self, kid: str) -> PyJWK:
        """As ``keys.Keys`` says."""
        said = self._valid()
        if said is None or kid not in said.keys:
            await self._ask()
            said = self._valid()
        if said is not None and kid in said.keys:
            return said.keys[kid]
        if said is not None and self._answered_s >= self._asked_s:
            raise TokenRefused
        raise IssuerUnreachable

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        await self.client.aclose()

    def _valid(self) -> Said | None:
        """What the provider said last, while that holds."""
        age_s = self._clock() - self._answered_s
        if age_s > FRESH_S:
            self._begin()
        return self._said if age_s < KEPT_S else None

    async def _ask(self) -> None:
        """Returns when the question under way, or a new one where one may be put, is answered or has failed."""
        self._begin()
        if self._asking is not None:
            # Whoever gives up waiting does not end it for the others.
            await asyncio.shield(self._asking)

    def _begin(self) -> None:
        if self._asking is None and self._clock() - self._asked_s >= ASK_AGAIN_S:
            self._asked_s = self._clock()
            self._asking = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            discovery = f"{self.url.rstrip('/')}/.well-known/openid-configuration"
            metadata = self._checked(await json_document(self.client, discovery))
            keys = keys_of(await json_document(self.client, metadata.jwks_uri))
            if not keys:
                raise DocumentUnavailable("no key that verifies")
            self._said = Said(metadata, keys)
            self._answered_s = self._clock()
        except DocumentUnavailable as error:
            log.warning("issuer_unavailable", reason=str(error))
        finally:
            self._asking = None

    def _checked(self, found: dict[str, Any]) -> Metadata:
        try:
            metadata = msgspec.convert(found, Metadata)
        except msgspec.ValidationError as error:
            raise DocumentUnavailable("no provider metadata") from error
        if metadata.issuer != self.url:
            raise DocumentUnavailable("another issuer's metadata")
        if not is_as_safe(metadata.jwks_uri, self.url):
            raise DocumentUnavailable("keys from a less safe place")
        return metadata


def is_as_safe(url: str, than: str) -> bool:
    """Whether what is read from ``url`` may be believed as what is read from ``than``: by TLS, or from the same place."""
    try:
        one, other = urlsplit(url), urlsplit(than)
    except ValueError:
        return False
    return one.scheme == "https" or (one.scheme, one.netloc) == (other.scheme, other.netloc)
