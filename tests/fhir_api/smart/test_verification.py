"""A token opens something only if a trusted issuer signed it, for this server, for now, as an access token.

https://www.rfc-editor.org/rfc/rfc7519#section-7.2, https://www.rfc-editor.org/rfc/rfc8725 (what went wrong elsewhere),
https://www.rfc-editor.org/rfc/rfc6750#section-3 (how a refusal reads).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_api.smart.claims import MOST_TOKEN_BYTES, Claims
from fhir_api.smart.issuer import Issuer
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.verification import Trust, verified
from tests.fhir_api.smart.provider import (
    BASE,
    RSA_KEY,
    Provider,
    SigningKey,
    access_claims,
    ec_key,
    rsa_key,
)

STRANGERS_KEY = rsa_key("first")


async def claims_of(token: str, issuer: Issuer, skew_s: float = 0.0) -> Claims:
    return await verified(token, {issuer.url: Trust(issuer, BASE)}, skew_s)


async def refusal_of(token: str, issuer: Issuer, skew_s: float = 0.0) -> TokenRefused:
    with pytest.raises(TokenRefused) as refused:
        await claims_of(token, issuer, skew_s)
    return refused.value


def part(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def by_hand(header: Any, claims: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token that no library would make."""
    signed = f"{part(header)}.{part(claims)}"
    signature = base64.urlsafe_b64encode(sign(signed.encode())).rstrip(b"=").decode()
    return f"{signed}.{signature}"


async def test_a_true_token_says_who_sends_it(provider: Provider, issuer: Issuer) -> None:
    claims = await claims_of(provider.token(), issuer)
    assert (claims.client, claims.sub, claims.jti) == (
        "imaging-viewer",
        "0b1c-user",
        "onrtac:0b1c",
    )
    assert "radiologist" in claims.realm_access.roles


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "ES256"])
async def test_every_algorithm_that_keycloak_offers_verifies(
    provider: Provider, issuer: Issuer, algorithm: str
) -> None:
    """RS384 and ES384 are those that SMART demands of clients; a realm signs with what its administrator chose."""
    key = ec_key("second") if algorithm == "ES256" else SigningKey("2", algorithm, RSA_KEY.private)
    provider.keys = [key]
    assert (await claims_of(provider.token(), issuer)).sub == "0b1c-user"


async def test_one_audience_or_several_may_be_named(provider: Provider, issuer: Issuer) -> None:
    assert (await claims_of(provider.token(aud=BASE), issuer)).aud == BASE


async def test_a_refusal_is_401_with_a_challenge_that_repeats_nothing_of_the_token(
    provider: Provider, issuer: Issuer
) -> None:
    """https://www.rfc-editor.org/rfc/rfc6750#section-3.1"""
    refused = await refusal_of(provider.token(sub="SECRET-SUBJECT", exp=1), issuer)
    assert refused.status == 401
    ((name, challenge),) = refused.headers
    assert name == "WWW-Authenticate"
    assert challenge == (
        'Bearer realm="HealthVision", error="invalid_token", '
        'error_description="The token has expired."'
    )
    assert "SECRET" not in str(refused)


WRONG_CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": int(time.time()) - 1}, "expired"),
    "expired long ago": ({"exp": 0}, "expired"),
    "not valid yet": ({"nbf": int(time.time()) + 3600}, "not valid yet"),
    "issued in the future": ({"iat": int(time.time()) + 3600}, "not valid yet"),
    "never expires": ({"exp": None}, "cannot be read"),
    "expires at infinity": ({"exp": float("1e400")}, "not valid"),
    "expires at a text": ({"exp": "9999999999"}, "cannot be read"),
    "expires at true": ({"exp": True}, "cannot be read"),
    "no issue time": ({"iat": None}, "not valid"),
    "for another server": ({"aud": ["https://other.example/fhir"]}, "another server"),
    "for a server below this one": ({"aud": BASE + "/"}, "another server"),
    "for nobody": ({"aud": []}, "not valid"),
    "audience left out": ({"aud": None}, "cannot be read"),
    "audience is a number": ({"aud": 1}, "cannot be read"),
    "audience holds a number": ({"aud": [BASE, 1]}, "cannot be read"),
    "audience is an object": ({"aud": {BASE: True}}, "cannot be read"),
    "another realm": ({"iss": "https://keycloak.example/realms/other"}, "does not know"),
    "no subject": ({"sub": None}, "cannot be read"),
    "empty subject": ({"sub": ""}, "cannot be read"),
    "subject is a number": ({"sub": 1}, "cannot be read"),
    "subject is an object": ({"sub": {"a": 1}}, "cannot be read"),
    "no id": ({"jti": None}, "cannot be read"),
    "id is a list": ({"jti": ["a"]}, "cannot be read"),
    "id is endless": ({"jti": "a" * 257}, "cannot be read"),
    "scope is a list": ({"scope": ["patient/*.rs"]}, "cannot be read"),
    "client is a number": ({"azp": 5}, "cannot be read"),
    "user is a list": ({"fhirUser": ["Practitioner/1"]}, "cannot be read"),
    "roles are a text": ({"realm_access": {"roles": "operator"}}, "cannot be read"),
    "a role is a list": ({"realm_access": {"roles": [["operator"]]}}, "cannot be read"),
    "realm access is a list": ({"realm_access": ["operator"]}, "cannot be read"),
    "an ID token": ({"typ": "ID"}, "no access token"),
    "a refresh token": ({"typ": "Refresh"}, "no access token"),
    "an offline token": ({"typ": "Offline"}, "no access token"),
    "a logout token": ({"typ": "Logout"}, "no access token"),
    "for who knows what": ({"typ": None}, "no access token"),
    "kind is a list": ({"typ": ["Bearer"]}, "cannot be read"),
    "bound to a key that its bearer has to prove": ({"cnf": {"jkt": "x"}}, "no access token"),
}


@pytest.mark.parametrize(("claims", "words"), WRONG_CLAIMS.values(), ids=WRONG_CLAIMS.keys())
async def test_wrong_claims_are_refused_though_the_signature_is_right(
    provider: Provider, issuer: Issuer, claims: dict[str, Any], words: str
) -> None:
    refused = await refusal_of(provider.token(**claims), issuer)
    assert words in refused.text
    # https://www.rfc-editor.org/rfc/rfc6750#section-3: neither quotes nor backslashes in a description
    assert re.fullmatch(r"[ !#-\[\]-~]+", refused.text)


async def test_a_token_of_rfc_9068_is_an_access_token_by_its_header(
    provider: Provider, issuer: Issuer
) -> None:
    """https://www.rfc-editor.org/rfc/rfc9068#section-2.1"""
    for typ in ("at+jwt", "application/at+jwt", "AT+JWT"):
        await claims_of(provider.token(header={"typ": typ}, typ=None), issuer)
    refused = await refusal_of(provider.token(header={"typ": "at+jwt"}, typ="ID"), issuer)
    assert "no access token" in refused.text


async def test_clocks_may_differ_by_the_skew_and_no_more(
    provider: Provider, issuer: Issuer
) -> None:
    now_s = int(time.time())
    await claims_of(provider.token(exp=now_s - 20, nbf=now_s + 20), issuer, skew_s=60)
    await refusal_of(provider.token(exp=now_s - 100), issuer, skew_s=60)
    await refusal_of(provider.token(nbf=now_s + 100), issuer, skew_s=60)


async def test_an_unsigned_token_is_refused(provider: Provider, issuer: Issuer) -> None:
    """https://www.rfc-editor.org/rfc/rfc8725#section-2.1"""
    for alg in ("none", "None", "NONE", "nOnE", ""):
        await refusal_of(by_hand({"alg": alg, "kid": "first"}, access_claims(provider.url)), issuer)
    good = provider.token()
    await refusal_of(good.rpartition(".")[0] + ".", issuer)
    await refusal_of(good.rpartition(".")[0], issuer)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_the_public_key_is_no_password(provider: Provider, issuer: Issuer, alg: str) -> None:
    """The oldest of them: an HMAC with what everybody can read. https://www.rfc-editor.org/rfc/rfc8725#section-2.1"""
    public = RSA_KEY.private.public_key()
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(RSA_KEY.jwk).encode(),
        b"",
    ):
        token = by_hand(
            {"alg": alg, "kid": "first"},
            access_claims(provider.url),
            lambda signed, secret=secret: hmac.new(secret, signed, digest).digest(),
        )
        await refusal_of(token, issuer)


async def test_a_key_verifies_with_its_own_algorithm_alone(
    provider: Provider, issuer: Issuer
) -> None:
    """https://www.rfc-editor.org/rfc/rfc8725#section-3.1"""
    await refusal_of(provider.token(SigningKey("first", "RS512", RSA_KEY.private)), issuer)
    await refusal_of(provider.token(SigningKey("first", "PS256", RSA_KEY.private)), issuer)


async def test_another_key_of_the_same_name_does_not_verify(
    provider: Provider, issuer: Issuer
) -> None:
    await refusal_of(provider.token(STRANGERS_KEY), issuer)


async def test_nobody_looks_where_the_token_says_that_its_key_is(
    provider: Provider, issuer: Issuer
) -> None:
    """jku, x5u, jwk, x5c: https://www.rfc-editor.org/rfc/rfc8725#section-3.10"""
    await claims_of(provider.token(), issuer)
    asked = list(provider.asked)
    for header in (
        {"jku": f"{provider.url}/evil"},
        {"x5u": f"{provider.url}/evil"},
        {"jwk": STRANGERS_KEY.jwk},
        {"jwk": STRANGERS_KEY.jwk, "jku": f"{provider.url}/evil", "x5c": ["MIIB"]},
    ):
        await refusal_of(provider.token(STRANGERS_KEY, header), issuer)
        # It harms nobody where the signature is right.
        await claims_of(provider.token(RSA_KEY, header), issuer)
    assert provider.asked == asked


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "first' OR '1'='1",
        "first\x00",
        "first ",
        "FIRST",
        "encryption",
        "http://127.0.0.1/keys",
        "é",
        "a" * 257,
        "",
    ],
)
async def test_a_key_id_is_compared_and_nothing_else(
    provider: Provider, issuer: Issuer, kid: str
) -> None:
    await refusal_of(provider.token(STRANGERS_KEY, {"kid": kid}), issuer)


@pytest.mark.parametrize("kid", [None, 1, ["first"], {"first": "first"}, True])
async def test_a_key_id_is_a_text(provider: Provider, issuer: Issuer, kid: Any) -> None:
    header = {"alg": "RS256", "kid": kid}
    await refusal_of(by_hand(header, access_claims(provider.url)), issuer)
    await refusal_of(by_hand({"alg": "RS256"}, access_claims(provider.url)), issuer)


async def test_what_is_critical_and_not_known_is_refused(
    provider: Provider, issuer: Issuer
) -> None:
    """https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11"""
    for header in ({"crit": ["exp"], "exp": 1}, {"crit": ["b64"], "b64": True}, {"crit": []}):
        head = {"alg": "RS256", "kid": "first", **header}
        await refusal_of(by_hand(head, access_claims(provider.url), _sign), issuer)


async def test_members_that_stand_there_twice_are_refused_though_the_signature_is_right(
    provider: Provider, issuer: Issuer
) -> None:
    """https://www.rfc-editor.org/rfc/rfc7519#section-4"""
    claims = json.dumps(access_claims(provider.url))
    twice = claims.replace('"sub":', '"sub": "admin", "sub":')
    header = '{"alg":"RS256","kid":"first"}'
    assert (await claims_of(by_hand(header, claims, _sign), issuer)).sub == "0b1c-user"
    await refusal_of(by_hand(header, twice, _sign), issuer)
    roles = claims.replace('"roles":', '"roles": ["operator"], "roles":')
    await refusal_of(by_hand(header, roles, _sign), issuer)
    await refusal_of(by_hand('{"alg":"RS256","alg":"RS256","kid":"first"}', claims, _sign), issuer)


def _sign(signed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return RSA_KEY.private.sign(signed, PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "\udcff.\udcff.\udcff",
        f"{part('{}')}.{part('{}')}.",
        f"{part('[]')}.{part('[]')}.{part('x')}",
        f"{part('[' * 4000)}.{part('{}')}.x",
        f"{part('null')}.{part('null')}.null",
        f"{part(chr(0))}.{part('{}')}.x",
        "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d",
    ],
)
async def test_what_is_no_token_is_refused_and_nobody_is_asked(
    provider: Provider, issuer: Issuer, text: str
) -> None:
    await refusal_of(text, issuer)
    assert provider.asked == []


async def test_a_huge_token_is_refused_unread(provider: Provider, issuer: Issuer) -> None:
    refused = await refusal_of(provider.token(scope="s" * MOST_TOKEN_BYTES), issuer)
    assert "too long" in refused.text
    assert provider.asked == []


async def test_a_token_that_is_only_just_not_too_long_is_taken(
    provider: Provider, issuer: Issuer
) -> None:
    scope = " ".join(f"patient/Observation.rs?code=http://loinc.org|{n}" for n in range(200))
    await claims_of(provider.token(scope=scope), issuer)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 10_000), by=st.integers(1, 63))
async def test_a_token_with_any_one_letter_changed_is_refused(
    provider: Provider, issuer: Issuer, at: int, by: int
) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = TOKENS.setdefault(provider.url, provider.token())
    at %= len(good)
    letter = "A" if good[at] == "." else letters[(letters.index(good[at]) + by) % 64]
    await refusal_of(good[:at] + letter + good[at + 1 :], issuer)


TOKENS: dict[str, str] = {}


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=300))
async def test_any_text_is_refused(issuer: Issuer, text: str) -> None:
    await refusal_of(text, issuer)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    claims=st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "typ", "scope", "azp"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=3,
        ),
        min_size=1,
    )
)
async def test_any_claims_are_taken_or_refused_and_nothing_else(
    provider: Provider, issuer: Issuer, claims: dict[str, Any]
) -> None:
    said = {**access_claims(provider.url), **claims}
    token = by_hand({"alg": "RS256", "kid": "first"}, said, _sign)
    try:
        taken = await claims_of(token, issuer)
    except TokenRefused:
        return
    assert taken.iss == provider.url
    assert BASE in taken.aud
    assert taken.exp > time.time()
