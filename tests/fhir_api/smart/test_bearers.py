"""Signed tokens at the door: ours and Keycloak's, remembered for a while, revoked at once, in every process.

https://www.rfc-editor.org/rfc/rfc6750, https://www.rfc-editor.org/rfc/rfc7009
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_api.access import Caller
from fhir_api.errors import FhirError
from fhir_api.smart import bearers as bearers_module
from fhir_api.smart.bearers import LOOK_AGAIN_S, Bearers
from fhir_api.smart.contexts import TOKENS, LaunchContext
from fhir_api.smart.issuer import Issuer
from fhir_api.smart.local import SEED_BYTES, Grant, LocalIssuer
from fhir_api.smart.refusals import IssuerUnreachable, TokenRefused
from fhir_api.smart.revocation import revoke
from fhir_api.smart.scopes import resource_scopes
from fhir_api.smart.verification import Trust
from store.errors import StoreUnavailable
from store.interface import Commit
from store.sqlite import SqliteStore
from tests.fhir_api.smart.provider import BASE, Provider

LOCAL = LocalIssuer(BASE, bytes(range(SEED_BYTES)))
GRANT = Grant(
    "viewer",
    resource_scopes("patient/*.rs"),
    300,
    frozenset({"radiologist"}),
    "Practitioner/1",
    "p1",
    "e1",
    "TREAT",
)


class Clock:
    """Real seconds, and those that the test adds."""

    more_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.more_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bearers(store: SqliteStore, issuer: Issuer, clock: Clock) -> AsyncIterator[Bearers]:
    return process(store, issuer, clock)


def process(store: SqliteStore, issuer: Issuer, clock: Clock, skew_s: float = 0.0) -> Bearers:
    trusted = {BASE: Trust(LOCAL, BASE, tells_context=True), issuer.url: Trust(issuer, BASE)}
    return Bearers(store, trusted, base_url=BASE, skew_s=skew_s, clock=clock)


async def shown(bearers: Bearers, token: str) -> Caller:
    return await bearers.caller(token, hashlib.sha256(token.encode()).digest())


def now_us() -> int:
    return int(time.time() * 1_000_000)


async def test_a_token_of_our_own_is_who_it_says(bearers: Bearers) -> None:
    caller = await shown(bearers, LOCAL.token(GRANT))
    assert (caller.id, caller.user, caller.subject) == (
        "viewer",
        "Practitioner/1",
        "Practitioner/1",
    )
    assert (caller.patient, caller.encounter, caller.purpose) == ("p1", "e1", "TREAT")
    assert caller.roles == {"radiologist"}
    assert caller.scopes == GRANT.scopes
    assert caller.token_id


async def test_a_token_of_our_own_passes_the_same_checks(bearers: Bearers) -> None:
    for bad in (
        LocalIssuer(BASE, b"x" * SEED_BYTES).token(GRANT),
        LocalIssuer("http://elsewhere.test/fhir", bytes(range(SEED_BYTES))).token(GRANT),
        LOCAL.token(Grant("viewer", GRANT.scopes, -1)),
        LOCAL.token(Grant("operator", GRANT.scopes, 300)),
        LOCAL.token(GRANT)[:-4] + "AAAA",
    ):
        with pytest.raises(TokenRefused):
            await shown(bearers, bad)


async def test_keycloaks_token_has_the_patient_of_its_launch_and_none_without(
    bearers: Bearers, store: SqliteStore, provider: Provider
) -> None:
    launch = LaunchContext(
        "imaging-viewer", "patient/Observation.rs", now_us() + 10**9, patient="p1"
    )
    await store.commit(Commit(writes=(TOKENS.write("launched", launch, now_us()),)))
    launched = await shown(bearers, provider.token(jti="launched", patient="p2"))
    assert (launched.patient, str(launched.scopes[0])) == ("p1", "patient/Observation.rs")
    other = await shown(bearers, provider.token(jti="not-launched", patient="p2"))
    assert (other.patient, str(other.scopes[0])) == ("", "patient/*.rs")
    with pytest.raises(TokenRefused):
        await shown(bearers, provider.token(jti="launched", azp="another-app"))


async def test_a_launch_lasts_as_long_as_its_token_is_taken(
    store: SqliteStore, issuer: Issuer, clock: Clock, provider: Provider
) -> None:
    """Else a token would say more in the seconds of the skew than it was granted."""
    expired_s = int(time.time()) - 10
    launch = LaunchContext(
        "imaging-viewer", "patient/Patient.r", expired_s * 1_000_000, patient="p1"
    )
    await store.commit(Commit(writes=(TOKENS.write("launched", launch, now_us()),)))
    token = provider.token(jti="launched", exp=expired_s, scope="user/*.cruds")
    caller = await shown(process(store, issuer, clock, skew_s=60.0), token)
    assert list(map(str, caller.scopes or ())) == ["patient/Patient.r"]
    with pytest.raises(TokenRefused):
        await shown(process(store, issuer, clock), token)


async def test_an_issuer_cannot_speak_for_another(bearers: Bearers, provider: Provider) -> None:
    """Keycloak's key does not sign our own tokens, whose context is believed."""
    with pytest.raises(TokenRefused):
        await shown(bearers, provider.token(iss=BASE, patient="p1"))


async def test_what_is_revoked_ends_at_once_in_every_process(
    tmp_path: Path, store: SqliteStore, issuer: Issuer, clock: Clock, provider: Provider
) -> None:
    """https://www.rfc-editor.org/rfc/rfc7009#section-2.1"""
    second_store = SqliteStore.open(tmp_path / "data")
    processes = [process(store, issuer, clock), process(second_store, issuer, clock)]
    tokens = [LOCAL.token(GRANT), provider.token(jti="of-keycloak"), provider.token(jti="good")]
    for one in processes:
        for token in tokens:
            await shown(one, token)
    jti = (await shown(processes[0], tokens[0])).token_id
    for revoked in (jti, "of-keycloak", "of-keycloak"):
        await revoke(store, revoked, now_us() + 10**9, now_us())
    for one in processes:
        for token in tokens[:2]:
            with pytest.raises(TokenRefused) as refused:
                await shown(one, token)
            assert refused.value.text == "The token was revoked."
        await shown(one, tokens[2])
    await second_store.close()


async def test_a_token_ends_when_it_expires_though_it_is_known(
    bearers: Bearers,
) -> None:
    token = LOCAL.token(Grant("viewer", GRANT.scopes, 2))
    expires_s = int(time.time()) + 2
    with pytest.raises(TokenRefused, match="expired"):
        await _until_refused(bearers, token)
    assert expires_s - 1 <= time.time() < expires_s + 30


async def _until_refused(bearers: Bearers, token: str) -> None:
    while True:
        await shown(bearers, token)
        await asyncio.sleep(0.02)


async def test_a_known_token_is_verified_again_after_a_while(
    bearers: Bearers, provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    """So a key that its issuer withdraws ends, however long its tokens would last."""
    token = provider.token(exp=int(time.time()) + 10**6)
    known = await shown(bearers, token)
    issuer._said = None  # as after KEPT_S
    await provider.stop()
    assert await shown(bearers, token) is known
    clock.more_s = LOOK_AGAIN_S + 1
    with pytest.raises(IssuerUnreachable):
        await shown(bearers, token)


async def test_only_so_many_are_remembered(
    bearers: Bearers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bearers_module, "MOST_KNOWN", 3)
    tokens = [LOCAL.token(GRANT) for _ in range(6)]
    first = await shown(bearers, tokens[0])
    for token in tokens[1:]:
        await shown(bearers, token)
        assert await shown(bearers, tokens[0]) is first, "what is used stays"
    assert len(bearers._known) == 3


async def test_a_store_that_does_not_answer_is_503(
    bearers: Bearers, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may be revoked is not let in."""
    token = LOCAL.token(GRANT)

    async def fails(_type: str, _id: str) -> None:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(store, "read", fails)
    with pytest.raises(FhirError) as refused:
        await shown(bearers, token)
    assert refused.value.status == 503
