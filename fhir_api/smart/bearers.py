"""From a signed bearer token to its Caller: verified once in a while, and known to be revoked from that moment on."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fhir_api.access import Caller
from fhir_api.boundary import translated
from fhir_api.smart.callers import caller_of, no_context, own_context
from fhir_api.smart.claims import Claims
from fhir_api.smart.contexts import LaunchContext, context_of
from fhir_api.smart.records import digest
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.revocation import REVOCATIONS
from fhir_api.smart.verification import Trust, verified
from store.errors import StoreError
from store.interface import Store

MOST_KNOWN: Final = 4096
LOOK_AGAIN_S: Final = 300.0
"""After that long a token is verified again: its issuer may have withdrawn the key."""


@dataclass(slots=True)
class _Known:
    caller: Caller
    until_s: float
    revocation_id: str
    mark: bytes = b""
    """Of the revocations, when this token was last seen not to be among them."""


class Bearers:
    """Knows the tokens that one API process was lately shown."""

    def __init__(
        self,
        store: Store,
        trusted: Mapping[str, Trust],
        *,
        base_url: str,
        skew_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``trusted``: issuer → on what terms. ``base_url``: of this FHIR server. ``clock``: seconds since 1970."""
        self._store = store
        self._trusted = trusted
        self._base_url = base_url
        self._skew_s = skew_s
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def caller(self, token: str, token_digest: bytes) -> Caller:
        """Who sends the token; ``token_digest`` is its SHA-256.

        Raises:
            TokenRefused: it proves nothing, or nothing any more.
            IssuerUnreachable: whether it does cannot be told now.
            FhirError: the store does not answer (503).
        """
        try:
            known = self._known.get(token_digest)
            if known is None or known.until_s <= self._clock():
                known = await self._look(token)
                self._remember(token_digest, known)
            else:
                self._known.move_to_end(token_digest)
            # The mark is taken first: a revocation that comes meanwhile changes it again.
            mark = self._store.mark(REVOCATIONS.name)
            if mark != known.mark:
                await self._refuse_revoked(known)
                known.mark = mark
        except StoreError as error:
            raise translated(error) from error
        return known.caller

    async def _refuse_revoked(self, known: _Known) -> None:
        revocation = await self._store.read(REVOCATIONS.name, known.revocation_id)
        if revocation is not None and not revocation.deleted:
            raise TokenRefused("The token was revoked.")

    async def _look(self, token: str) -> _Known:
        claims = await verified(token, self._trusted, self._skew_s)
        now_s = self._clock()
        caller = caller_of(claims, await self._context(claims, now_s), self._base_url)
        until_s = min(claims.exp + self._skew_s, now_s + LOOK_AGAIN_S)
        return _Known(caller, until_s, digest(claims.jti))

    async def _context(self, claims: Claims, now_s: float) -> LaunchContext:
        if self._trusted[claims.iss].tells_context:
            return own_context(claims)
        # As long as the token is taken, so is what its launch was granted: it may be less than the token says.
        kept_s = now_s - self._skew_s
        kept = await context_of(self._store, claims.jti, int(kept_s * 1_000_000))
        return no_context(claims) if kept is None else kept

    def _remember(self, token_digest: bytes, known: _Known) -> None:
        self._known[token_digest] = known
        self._known.move_to_end(token_digest)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
