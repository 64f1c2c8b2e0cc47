"""Who a request comes from: a bearer token, or a signed link to one report, says so."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping

from fhir_api.access import Caller
from fhir_api.rates import Rate
from fhir_api.smart.bearers import Bearers
from fhir_api.smart.refusals import TokenMissing, TokenRefused
from healthvision.throttle import Throttle

OPERATOR = Caller("operator", frozenset({"operator"}))
WORKER = Caller("worker", frozenset({"worker"}))
LINK_LIFETIME_S = 12 * 3600


class TokenAuthentication:
    """Bearer tokens (RFC 6750): the deployment's own two, and the signed ones that it trusts."""

    def __init__(
        self,
        operator_token: str,
        worker_token: str,
        bearers: Bearers | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        """``bearers`` knows the signed ones; None: there are none. ``throttle`` None: nobody waits."""
        self._throttle = throttle or Throttle(Rate(0), Rate(0), Rate(0))
        self._callers = (
            (_digest(operator_token), OPERATOR),
            (_digest(worker_token), WORKER),
        )
        self._bearers = bearers

    async def __call__(self, headers: Mapping[str, str]) -> Caller:
        """The caller that a request's headers (lower-case names) prove.

        Raises:
            FhirError: no token, or none that proves anything (401); too many requests, or too many tokens that prove
                nothing (429); it cannot be told now (503).
        """
        header = headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise TokenMissing
        # Digests of equal length are compared in constant time, so timing tells nothing about a token.
        digest = _digest(token)
        self._throttle.require_room(digest)
        try:
            caller = await self._caller(token, digest)
        except TokenRefused:
            self._throttle.failed()
            raise
        self._throttle.proven(digest)
        self._throttle.count(caller)
        return caller

    async def _caller(self, token: str, digest: bytes) -> Caller:
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                return caller
        if self._bearers is None:
            raise TokenRefused
        return await self._bearers.caller(token, digest)


class ReportLinks:
    """Links that open one report in a browser, which cannot send a token. They end by themselves."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, report_id: str, *, now_s: float | None = None) -> str:
        """The query string of a link to ``/reports/<report_id>``."""
        expires_s = int((time.time() if now_s is None else now_s) + LINK_LIFETIME_S)
        return f"expires={expires_s}&signature={self._signature(report_id, expires_s)}"

    def allows(
        self, report_id: str, query: Mapping[str, str], *, now_s: float | None = None
    ) -> bool:
        """Whether the query is one that ``sign`` made for this report and has not run out."""
        expires = query.get("expires", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            return False
        expected = self._signature(report_id, int(expires))
        is_ours = hmac.compare_digest(expected.encode(), query.get("signature", "").encode())
        return is_ours and int(expires) > (time.time() if now_s is None else now_s)

    def _signature(self, report_id: str, expires_s: int) -> str:
        return hmac.new(
            self._key, f"report\n{report_id}\n{expires_s}".encode(), hashlib.sha256
        ).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
