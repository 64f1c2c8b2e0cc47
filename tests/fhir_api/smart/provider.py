"""A small OpenID provider over real HTTP: its metadata, its keys, the tokens that it signs, and its bad days."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

BASE = "http://fhir.test/fhir"
"""The server that the tokens are for."""
METADATA = "/realms/one/.well-known/openid-configuration"
KEYS = "/realms/one/keys"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class SigningKey:
    """A private key with the name and algorithm under which it is published."""

    kid: str
    algorithm: str
    private: PrivateKey

    @property
    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        kind = {"R": RSAAlgorithm, "P": RSAAlgorithm, "E": ECAlgorithm}[self.algorithm[0]]
        if self.algorithm == "EdDSA":
            kind = OKPAlgorithm
        jwk = kind.to_jwk(public, as_dict=True)
        return {**jwk, "kid": self.kid, "alg": self.algorithm, "use": "sig"}


def rsa_key(kid: str, algorithm: str = "RS256", bits: int = 2048) -> SigningKey:
    return SigningKey(kid, algorithm, rsa.generate_private_key(65537, bits))


def ec_key(kid: str) -> SigningKey:
    return SigningKey(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))


RSA_KEY = rsa_key("first")


@dataclass
class Provider:
    """Runs on this test's event loop. ``asked`` holds the path of every request that came."""

    keys: list[SigningKey] = field(default_factory=lambda: [RSA_KEY])
    url: str = ""
    asked: list[str] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)
    """Path → a whole HTTP response in place of the right one."""
    is_mute: bool = False
    """Takes requests and answers none."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Overrides what it says of itself."""

    def __post_init__(self) -> None:
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        port = int(self.url.rpartition(":")[2].partition("/")[0]) if self.url else 0
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/realms/one"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def token(
        self,
        key: SigningKey | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """An access token as Keycloak makes them; what is None is left out."""
        key = key or self.keys[0]
        said = {**access_claims(self.url), **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, key.private, key.algorithm, {"kid": key.kid, **(header or {})})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            if self.is_mute:
                await reader.read()
                return
            writer.write(self.answers.get(path) or self._answer(path))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, path: str) -> bytes:
        if path == METADATA:
            origin = self.url.removesuffix("/realms/one")
            said = {
                "issuer": self.url,
                "jwks_uri": f"{origin}{KEYS}",
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
                "more": "than is read",
            }
            return json_answer(said | self.metadata)
        if path == KEYS:
            encryption = rsa_jwk_for_encryption()
            return json_answer({"keys": [encryption, *(key.jwk for key in self.keys)]})
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def access_claims(issuer: str) -> dict[str, Any]:
    now_s = int(time.time())
    return {
        "iss": issuer,
        "aud": [BASE, "account"],
        "exp": now_s + 300,
        "iat": now_s,
        "jti": "onrtac:0b1c",
        "sub": "0b1c-user",
        "typ": "Bearer",
        "azp": "imaging-viewer",
        "sid": "a-session",
        "scope": "openid fhirUser patient/*.rs",
        "fhirUser": f"{BASE}/Practitioner/1",
        "realm_access": {"roles": ["radiologist", "offline_access"]},
    }


def json_answer(document: Any, status: str = "200 OK") -> bytes:
    body = orjson.dumps(document)
    return answer(body, status, "Content-Type: application/json")


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = "\r\n".join(
        (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    )
    return head.encode() + b"\r\n\r\n" + body


def rsa_jwk_for_encryption() -> dict[str, Any]:
    """Keycloak publishes one beside those that verify."""
    return {**RSA_KEY.jwk, "kid": "encryption", "alg": "RSA-OAEP", "use": "enc"}
