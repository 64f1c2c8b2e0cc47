"""Tokens of a real Keycloak at our door: the right ones are taken, all others are not, and its keys may change.

https://www.rfc-editor.org/rfc/rfc9068#section-4, https://www.rfc-editor.org/rfc/rfc8725
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from fhir_api.access import Caller
from fhir_api.smart.bearers import LOOK_AGAIN_S, Bearers
from fhir_api.smart.issuer import ASK_AGAIN_S, FRESH_S, Issuer
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.verification import Trust
from healthvision.keycloak.realm import Site
from store.sqlite import SqliteStore
from tests.services.keycloak import FEW_TYPES, Keycloak, Realm, User

pytestmark = pytest.mark.services

BASE = "http://127.0.0.1:8000/fhir"
SITE = Site(BASE, types=FEW_TYPES)
RADIOLOGIST = User(
    "rosa", "a-long-password-of-rosa", "Practitioner/rosa", ("radiologist", "clinician")
)
APP = "app-of-a-test"
STRANGE_APP = "app-for-another-server"


class Clock:
    """Real seconds, and those that the test adds."""

    more_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.more_s

    def now(self) -> float:
        return time.time() + self.more_s


@pytest.fixture(scope="module")
def realm(keycloak: Keycloak) -> Iterator[Realm]:
    with keycloak.realm(SITE, [RADIOLOGIST]) as made:
        add_app(made, APP, "fhir-audience")
        add_app(made, STRANGE_APP)
        yield made


def add_app(realm: Realm, name: str, *scopes: str) -> None:
    realm.admin.post(
        "clients",
        {
            "clientId": name,
            "publicClient": True,
            "standardFlowEnabled": False,
            "directAccessGrantsEnabled": True,
            "fullScopeAllowed": True,
            "defaultClientScopes": ["basic", "roles", *scopes],
            "optionalClientScopes": ["patient/Observation.rs", "offline_access"],
        },
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bearers(realm: Realm, tmp_path: Path, clock: Clock) -> AsyncIterator[Bearers]:
    store = SqliteStore.open(tmp_path / "data")
    issuer = Issuer(realm.issuer, clock.monotonic)
    yield Bearers(
        store, {issuer.url: Trust(issuer, BASE)}, base_url=BASE, skew_s=0.0, clock=clock.now
    )
    await issuer.close()
    await store.close()


async def shown(bearers: Bearers, token: str) -> Caller:
    return await bearers.caller(token, hashlib.sha256(token.encode()).digest())


async def refused(bearers: Bearers, token: str) -> str:
    with pytest.raises(TokenRefused) as refusal:
        await shown(bearers, token)
    return refusal.value.text


def granted(realm: Realm, client: str = APP, scope: str = "openid") -> dict[str, Any]:
    """The token response of a user who gives his password: no way for real apps, but a short one."""
    answer = httpx.post(
        realm.endpoint("token"),
        data={
            "grant_type": "password",
            "client_id": client,
            "username": RADIOLOGIST.name,
            "password": RADIOLOGIST.password,
            "scope": scope,
        },
        trust_env=False,
        timeout=30,
    )
    assert answer.is_success, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_an_access_token_says_who_its_user_is_and_has_no_patient(
    bearers: Bearers, realm: Realm
) -> None:
    caller = await shown(
        bearers, granted(realm, scope="openid patient/Observation.rs")["access_token"]
    )
    assert (caller.id, caller.user) == (APP, "Practitioner/rosa")
    assert caller.roles == {"radiologist", "clinician"}
    assert list(map(str, caller.scopes or ())) == ["patient/Observation.rs"]
    assert caller.patient == ""
    assert caller.subject
    assert caller.token_id


async def test_what_is_no_access_token_is_refused(bearers: Bearers, realm: Realm) -> None:
    """The ID token's signature and issuer are right; the refresh token is signed with a secret of Keycloak's own."""
    tokens = granted(realm, scope="openid offline_access")
    assert "no access token" in await refused(bearers, tokens["id_token"])
    await refused(bearers, tokens["refresh_token"])
    await refused(bearers, granted(realm)["refresh_token"])


async def test_another_servers_and_another_realms_tokens_are_refused(
    bearers: Bearers, realm: Realm, keycloak: Keycloak
) -> None:
    assert "another server" in await refused(bearers, granted(realm, STRANGE_APP)["access_token"])
    with keycloak.realm(SITE, [RADIOLOGIST]) as other:
        add_app(other, APP, "fhir-audience")
        assert "does not know" in await refused(bearers, granted(other)["access_token"])


async def test_a_changed_token_is_refused(bearers: Bearers, realm: Realm) -> None:
    token = granted(realm)["access_token"]
    await shown(bearers, token)
    head, claims, signature = token.split(".")
    other_claims = granted(realm)["access_token"].split(".")[1]
    for changed in (f"{head}.{other_claims}.{signature}", f"{head}.{claims}.", f"{token}A"):
        await refused(bearers, changed)


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
async def test_new_keys_are_taken_without_a_restart_and_withdrawn_ones_end(
    bearers: Bearers, realm: Realm, clock: Clock, algorithm: str
) -> None:
    """https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys"""
    before = granted(realm)["access_token"]
    await shown(bearers, before)
    kind = "rsa" if algorithm == "RS256" else "ecdsa"
    config = {"priority": ["200"], "enabled": ["true"], "active": ["true"]}
    if kind == "ecdsa":
        config["ecdsaEllipticCurveKey"] = ["P-384"]
    realm.admin.post(
        "components",
        {
            "name": f"new-{kind}",
            "providerId": f"{kind}-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": config,
        },
    )
    realm.admin.put("", {"defaultSignatureAlgorithm": algorithm})
    after = granted(realm)["access_token"]
    headers = [jwt.get_unverified_header(token) for token in (before, after)]
    assert headers[0]["kid"] != headers[1]["kid"]
    assert headers[1]["alg"] == algorithm
    clock.more_s += ASK_AGAIN_S
    await shown(bearers, after)
    await shown(bearers, before)

    [added] = [
        one
        for one in realm.admin.get("components", type="org.keycloak.keys.KeyProvider")
        if one["name"] == f"new-{kind}"
    ]
    realm.admin.delete(f"components/{added['id']}")
    realm.admin.put("", {"defaultSignatureAlgorithm": "RS256"})
    clock.more_s += max(FRESH_S, LOOK_AGAIN_S) + 1
    with pytest.raises(TokenRefused):
        await _until_refused(bearers, after)


async def test_a_token_ends_when_it_expires(bearers: Bearers, realm: Realm) -> None:
    realm.admin.put("", {"accessTokenLifespan": 2})
    try:
        token = granted(realm)["access_token"]
    finally:
        realm.admin.put("", {"accessTokenLifespan": 300})
    await shown(bearers, token)
    with pytest.raises(TokenRefused, match="expired"):
        await _until_refused(bearers, token)


async def _until_refused(bearers: Bearers, token: str) -> None:
    while True:
        await shown(bearers, token)
        await asyncio.sleep(0.05)
