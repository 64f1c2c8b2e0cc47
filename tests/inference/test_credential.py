"""Tokens for a key: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html"""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from healthvision.keycloak.keypair import write_keypair
from inference.credential import WORKER_SCOPES, KeyPair, audience_of
from inference.errors import Busy, CredentialUnusable, NotAllowed, Unreachable
from inference.signing_key import read_signing_key
from tests.deployment import free_port

LIFE_S = 300


@dataclass
class TokenServer:
    """A FHIR server that takes the tokens of its own token endpoint, which takes assertions of ``keys``."""

    url: str
    keys: dict[str, Any] = field(default_factory=dict)
    """Public keys by their ids."""
    asked: int = 0
    valid: set[str] = field(default_factory=set)
    broken: Response | None = None
    seen: set[str] = field(default_factory=set)

    async def configuration(self, _: Request) -> Response:
        return JSONResponse({"issuer": self.url, "token_endpoint": f"{self.url}/token"})

    async def token(self, request: Request) -> Response:
        self.asked += 1
        if self.broken is not None:
            return self.broken
        form = await request.form()
        assertion = str(form["client_assertion"])
        key = self.keys.get(jwt.get_unverified_header(assertion)["kid"])
        if key is None:
            return JSONResponse({"error": "invalid_client"}, 401)
        claims = jwt.decode(assertion, jwt.PyJWK(key), audience=f"{self.url}/token")
        assert claims["iss"] == claims["sub"] == "ai-worker"
        assert 0 < claims["exp"] - claims["iat"] <= 300
        assert claims["jti"] not in self.seen
        assert form["scope"] == " ".join(WORKER_SCOPES)
        self.seen.add(claims["jti"])
        token = f"token-{self.asked}"
        self.valid.add(token)
        return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": LIFE_S})

    async def resource(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return JSONResponse({"token": token}, 200 if token in self.valid else 401)


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    port = free_port()
    there = TokenServer(f"http://127.0.0.1:{port}")
    app = Starlette(
        routes=[
            Route("/.well-known/smart-configuration", there.configuration),
            Route("/token", there.token, methods=["POST"]),
            Route("/Task/1", there.resource),
        ]
    )
    running = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_config=None))
    serving = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield there
    running.should_exit = True
    await serving


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key_file(tmp_path: Path, server: TokenServer) -> Path:
    """A worker's key, which the server knows."""
    file = tmp_path / "worker.pem"
    register(server, write_keypair(file))
    return file


def register(server: TokenServer, jwks: Path) -> None:
    [key] = json.loads(jwks.read_text())["keys"]
    server.keys[key["kid"]] = key


@asynccontextmanager
async def worker(
    server: TokenServer, key_file: Path, clock: Clock
) -> AsyncIterator[httpx.AsyncClient]:
    credential = KeyPair(server.url, "ai-worker", key_file, clock=clock)
    async with httpx.AsyncClient(base_url=server.url, auth=credential, trust_env=False) as http:
        yield http


async def used(http: httpx.AsyncClient) -> str:
    """The token with which a request was answered."""
    answer = await http.get("/Task/1")
    assert answer.status_code == 200
    return str(answer.json()["token"])


async def test_one_token_serves_many_requests_also_at_once(
    server: TokenServer, key_file: Path, clock: Clock
) -> None:
    async with worker(server, key_file, clock) as http:
        tokens = await asyncio.gather(*(used(http) for _ in range(10)))
    assert set(tokens) == {"token-1"}
    assert server.asked == 1


async def test_it_is_renewed_before_it_ends(
    server: TokenServer, key_file: Path, clock: Clock
) -> None:
    async with worker(server, key_file, clock) as http:
        await used(http)
        clock.now_s = LIFE_S * 0.49
        assert await used(http) == "token-1"
        clock.now_s = LIFE_S * 0.51
        assert await used(http) == "token-2"


async def test_while_it_holds_a_token_endpoint_that_fails_stops_nothing(
    server: TokenServer, key_file: Path, clock: Clock
) -> None:
    async with worker(server, key_file, clock) as http:
        await used(http)
        server.broken = Response(status_code=503)
        clock.now_s = LIFE_S * 0.9
        assert await used(http) == "token-1"
        assert await used(http) == "token-1"
        assert server.asked == 2, "a failure is not followed by another try at once"
        clock.now_s = LIFE_S + 1
        with pytest.raises(Busy):
            await used(http)


async def test_one_that_was_revoked_is_replaced_at_once(
    server: TokenServer, key_file: Path, clock: Clock
) -> None:
    async with worker(server, key_file, clock) as http:
        await used(http)
        server.valid.clear()
        assert await used(http) == "token-2"


async def test_a_new_key_in_the_file_is_used_without_a_restart(
    server: TokenServer, key_file: Path, clock: Clock, tmp_path: Path
) -> None:
    async with worker(server, key_file, clock) as http:
        await used(http)
        server.keys.clear()
        register(server, write_keypair(tmp_path / "next.pem"))
        (tmp_path / "next.pem").replace(key_file)
        clock.now_s = LIFE_S
        assert await used(http) == "token-2"


async def test_a_key_that_is_not_known_is_refused_with_the_code_of_the_refusal(
    server: TokenServer, key_file: Path, clock: Clock
) -> None:
    server.keys.clear()
    async with worker(server, key_file, clock) as http:
        with pytest.raises(NotAllowed, match=r"^the server answered 401 \(invalid_client\)$"):
            await used(http)


async def test_a_server_that_is_not_there_is_tried_again_by_whoever_asked(
    key_file: Path, clock: Clock
) -> None:
    nowhere = TokenServer(f"http://127.0.0.1:{free_port()}")
    async with worker(nowhere, key_file, clock) as http:
        with pytest.raises(Unreachable):
            await used(http)


@pytest.mark.parametrize("content", [None, b"", b"no key", "P-256", "RSA-1024"])
async def test_a_file_without_a_usable_key_is_told_without_its_content(
    content: bytes | str | None, tmp_path: Path
) -> None:
    file = tmp_path / "key.pem"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        keys = {"P-256": lambda: ec.generate_private_key(ec.SECP256R1())}
        key = keys.get(content, lambda: rsa.generate_private_key(65537, 1024))()
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(CredentialUnusable, match=r"^the worker's key"):
        read_signing_key(file)


def test_rsa_signs_with_rs384_and_the_key_id_is_its_thumbprint(tmp_path: Path) -> None:
    """https://www.rfc-editor.org/rfc/rfc7638"""
    private = rsa.generate_private_key(65537, 2048)
    file = tmp_path / "key.pem"
    file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = read_signing_key(file)
    header = jwt.get_unverified_header(key.assertion("ai-worker", "https://issuer.example.org"))
    assert (header["alg"], header["kid"]) == ("RS384", key.id)
    assert len(key.id) == 43
    assert not {"d", "p", "q"} & set(key.public_jwk)


def test_a_new_key_is_for_its_owner_alone_and_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "worker.pem"
    public = write_keypair(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    [key] = json.loads(public.read_text())["keys"]
    assert key == read_signing_key(file).public_jwk
    with pytest.raises(FileExistsError):
        write_keypair(file)


@pytest.mark.parametrize(
    ("endpoint", "issuer", "audience"),
    [
        ("https://a.org/oauth/token", None, "https://a.org/oauth/token"),
        ("https://a.org/oauth/token", "https://a.org", "https://a.org/oauth/token"),
        ("https://a.org/auth/token", "https://kc.org/realms/x", "https://kc.org/realms/x"),
    ],
)
def test_an_assertion_is_for_whoever_judges_it(
    endpoint: str, issuer: str | None, audience: str
) -> None:
    assert audience_of(endpoint, issuer) == audience


async def test_an_https_server_cannot_send_the_assertion_over_http(
    tmp_path: Path, clock: Clock
) -> None:
    credential = KeyPair("https://fhir.example.org/fhir", "ai-worker", tmp_path, clock=clock)
    with pytest.raises(CredentialUnusable):
        credential._endpoint({"token_endpoint": "http://fhir.example.org/token"})
