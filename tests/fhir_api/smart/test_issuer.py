"""Keys come and go at the issuer, and it may be away: no token is lost by that, none is believed, nobody is flooded.

https://openid.net/specs/openid-connect-discovery-1_0.html, https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fhir_api.smart import documents
from fhir_api.smart.documents import MOST_BYTES
from fhir_api.smart.issuer import ASK_AGAIN_S, FRESH_S, KEPT_S, Issuer, is_as_safe
from fhir_api.smart.keys import keys_of
from fhir_api.smart.refusals import IssuerUnreachable, TokenRefused
from tests.fhir_api.smart.provider import (
    KEYS,
    METADATA,
    Provider,
    answer,
    ec_key,
    json_answer,
    rsa_key,
)

QUESTION = [METADATA, KEYS]
"""What one question to the provider consists of."""


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer(provider: Provider, clock: Clock) -> AsyncIterator[Issuer]:
    known = Issuer(provider.url, clock)
    yield known
    await known.close()


async def until_asked(provider: Provider, times: int) -> None:
    while len(provider.asked) < 2 * times:  # noqa: ASYNC110 - the provider has no event for it
        await asyncio.sleep(0)


async def test_keys_are_asked_for_once(provider: Provider, issuer: Issuer) -> None:
    first = await issuer.key("first")
    assert await issuer.key("first") is first
    assert (await issuer.metadata()).token_endpoint == f"{provider.url}/token"
    assert provider.asked == QUESTION


async def test_a_crowd_at_the_start_asks_once(provider: Provider, issuer: Issuer) -> None:
    keys = await asyncio.gather(*(issuer.key("first") for _ in range(50)))
    assert len(set(map(id, keys))) == 1
    assert provider.asked == QUESTION


async def test_a_new_key_is_found_without_a_restart(
    provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    old = await issuer.key("first")
    provider.keys = [ec_key("second"), *provider.keys]
    clock.now_s += ASK_AGAIN_S
    assert (await issuer.key("second")).algorithm_name == "ES256"
    assert (await issuer.key("first")).key == old.key, "tokens that it signed are still about"
    assert provider.asked == QUESTION * 2


async def test_a_flood_of_made_up_key_ids_is_one_question(
    provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    await issuer.key("first")
    clock.now_s += ASK_AGAIN_S
    answers = await asyncio.gather(
        *(issuer.key(f"made-up-{n}") for n in range(500)), return_exceptions=True
    )
    assert all(isinstance(answer, TokenRefused) for answer in answers)
    assert provider.asked == QUESTION * 2
    for n in range(500):
        with pytest.raises(TokenRefused):
            await issuer.key(f"and-another-{n}")
    assert provider.asked == QUESTION * 2, "not again so soon"
    await issuer.key("first")


async def test_a_key_that_is_withdrawn_ends_though_nobody_asks_for_another(
    provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    await issuer.key("first")
    provider.keys = [rsa_key("second")]
    clock.now_s += FRESH_S + 1
    await issuer.key("first")  # answers at once, and asks beside
    await until_asked(provider, 2)
    assert (await issuer.key("second")).key_id == "second"
    with pytest.raises(TokenRefused):
        await issuer.key("first")


async def test_while_the_issuer_is_down_known_keys_go_on_and_unknown_ones_are_503(
    provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    """401 would make a client throw away a token that may be good; 503 says: send it again."""
    await issuer.key("first")
    await provider.stop()
    for waited_s in (ASK_AGAIN_S, FRESH_S, 3600.0, 12 * 3600.0):
        clock.now_s += waited_s
        await issuer.key("first")
        with pytest.raises(IssuerUnreachable) as refused:
            await issuer.key("second")
    assert refused.value.status == 503
    assert ("Retry-After", "5") in refused.value.headers
    await issuer.metadata()
    clock.now_s += KEPT_S
    with pytest.raises(IssuerUnreachable):
        await issuer.key("first")
    with pytest.raises(IssuerUnreachable):
        await issuer.metadata()


async def test_an_issuer_that_comes_back_is_believed_again(
    provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    await provider.stop()
    for _ in range(20):
        with pytest.raises(IssuerUnreachable):
            await issuer.key("first")
    with pytest.raises(IssuerUnreachable):
        await issuer.metadata()
    await provider.start()
    with pytest.raises(IssuerUnreachable):
        await issuer.key("first")
    assert provider.asked == [], "not again so soon"
    clock.now_s += ASK_AGAIN_S
    await issuer.key("first")


async def test_a_silent_issuer_is_waited_for_only_so_long(
    provider: Provider, issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await issuer.key("first")
    monkeypatch.setattr(documents, "PATIENCE_S", 0.2)
    provider.is_mute = True
    clock.now_s += ASK_AGAIN_S
    waiting = asyncio.create_task(issuer.key("second"))
    await until_asked(provider, 1)
    await issuer.key("first")
    assert not waiting.done(), "who has a known key waits for nobody"
    with pytest.raises(IssuerUnreachable):
        await waiting


async def test_who_gives_up_waiting_does_not_end_it_for_the_others(
    provider: Provider, issuer: Issuer
) -> None:
    first = asyncio.create_task(issuer.key("first"))
    second = asyncio.create_task(issuer.key("first"))
    await until_asked(provider, 0)
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).key_id == "first"
    assert provider.asked == QUESTION


ODD_ANSWERS: dict[str, dict[str, bytes]] = {
    "no JSON": {METADATA: answer(b"<html>")},
    "no object": {METADATA: json_answer([])},
    "nested without end": {METADATA: answer(b"[" * 100_000)},
    "no text": {METADATA: answer(b"\xff\xfe\x00")},
    "not found": {METADATA: answer(b"{}", "404 Not Found")},
    "broken": {METADATA: answer(b"{}", "500 Internal Server Error")},
    "elsewhere": {METADATA: answer(b"", "302 Found", f"Location: {KEYS}")},
    "no metadata": {METADATA: json_answer({"issuer": 1})},
    "keys: no JSON": {KEYS: answer(b"}")},
    "keys: elsewhere": {KEYS: answer(b"", "307 Temporary Redirect", f"Location: {METADATA}")},
    "keys: none": {KEYS: json_answer({"keys": []})},
    "keys: an object": {KEYS: json_answer({"keys": {"first": {}}})},
    "keys: texts": {KEYS: json_answer({"keys": ["first", None, 1]})},
    "keys: too many bytes": {KEYS: json_answer({"keys": [], "x": "y" * MOST_BYTES})},
    "keys: cut off": {KEYS: json_answer({"keys": []})[:-3]},
    "keys: no HTTP": {KEYS: b"SSH-2.0-OpenSSH_9\r\n\r\n"},
    "keys: packed though nobody asked": {
        KEYS: answer(b"\x1f\x8b\x08\x00" + bytes(100), "200 OK", "Content-Encoding: gzip")
    },
}


@pytest.mark.parametrize("answers", ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
async def test_odd_answers_change_nothing(
    provider: Provider, issuer: Issuer, clock: Clock, answers: dict[str, bytes]
) -> None:
    await issuer.key("first")
    provider.answers = answers
    clock.now_s += ASK_AGAIN_S
    with pytest.raises(IssuerUnreachable):
        await issuer.key("second")
    await issuer.key("first")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "http://127.0.0.1:1/realms/other"},
        {"jwks_uri": "http://127.0.0.1:1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "ftp://127.0.0.1/keys"},
        {"jwks_uri": "//127.0.0.1/keys"},
        {"jwks_uri": "http://[/keys"},
        {"jwks_uri": ""},
        {"jwks_uri": None},
    ],
)
async def test_metadata_that_lead_elsewhere_are_not_followed(
    provider: Provider, issuer: Issuer, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    with pytest.raises(IssuerUnreachable):
        await issuer.key("first")
    assert provider.asked == [METADATA]


def test_what_came_by_tls_leads_to_nothing_less() -> None:
    assert is_as_safe("https://keys.example/a", "https://one.example/realms/x")
    assert is_as_safe("http://127.0.0.1:8080/keys", "http://127.0.0.1:8080/realms/x")
    assert not is_as_safe("http://one.example/keys", "https://one.example/realms/x")
    assert not is_as_safe("http://two.example/keys", "http://127.0.0.1:8080/realms/x")


def test_keys_that_are_no_good_are_left_out() -> None:
    """https://www.rfc-editor.org/rfc/rfc8725#section-3.5"""
    good = rsa_key("good").jwk
    secret = {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "hmac", "alg": "HS256"}
    keys = keys_of(
        {
            "keys": [
                good,
                rsa_key("short", bits=1024).jwk,
                secret,
                {**secret, "alg": "none"},
                {**good, "kid": "encryption", "use": "enc"},
                {**good, "kid": "hmac-with-it", "alg": "HS256"},
                {**good, "kid": 5},
                {**good, "kid": ""},
                {**good, "kid": "no-modulus", "n": None},
                {**good, "kid": "bad-modulus", "n": "!"},
                {"kid": "unknown", "kty": "AKP", "alg": "ML-DSA-44", "pub": "x"},
                {**ec_key("private").jwk, "d": "AA"},
                {**ec_key("off-the-curve").jwk, "x": "AA"},
            ]
        }
    )
    assert list(keys) == ["good"]
