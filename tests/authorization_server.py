"""An authorization server that behaves as Keycloak 26 does where it matters here, over real HTTP with real signatures.

It has sessions, a login form, clients with registered addresses, PKCE, scopes by name and no others, codes that work
once, refresh tokens that rotate, private_key_jwt with one audience, introspection and revocation.
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.deployment import free_port

REALM = "/realms/hospital"
SCOPES = (
    "openid fhirUser launch launch/patient launch/encounter online_access offline_access"
    " patient/*.rs patient/*.cruds patient/*.read patient/Observation.rs patient/Patient.rs"
    " user/*.rs user/*.cruds user/Patient.rs user/Encounter.rs user/Observation.rs"
    " system/*.rs system/Patient.rs system/Observation.rs"
)
ACCESS_S = 300
CODE_S = 60


@dataclass(frozen=True)
class Client:
    redirects: tuple[str, ...] = ()
    secret: str | None = None
    """None: public, or by key."""
    key: Any = None
    """Public key of a client that signs its assertions."""
    roles: tuple[str, ...] = ("clinician", "radiologist", "auditor")
    """Of its users' roles, those that its tokens may carry."""
    service_roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = tuple(SCOPES.split())


@dataclass(frozen=True)
class User:
    password: str
    fhir_user: str
    roles: tuple[str, ...] = ()


@dataclass
class AuthorizationServer:
    """``url`` is the issuer. Its state lies open for tests."""

    audience: str
    clients: dict[str, Client]
    users: dict[str, User]
    port: int = field(default_factory=free_port)
    sessions: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    refresh_tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    asked_scopes: list[str] = field(default_factory=list)
    fails_with: Response | None = None
    """Answer to every request of the token endpoint, on a bad day."""

    def __post_init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._endpoints = f"{self.url}/protocol/openid-connect"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{REALM}"

    @contextmanager
    def running(self) -> Iterator[AuthorizationServer]:
        with served(self._app(), self.port):
            yield self

    def _app(self) -> Starlette:
        path = f"{REALM}/protocol/openid-connect"
        return Starlette(
            routes=[
                Route(f"{REALM}/.well-known/openid-configuration", self._metadata),
                Route(f"{path}/certs", self._keys),
                Route(f"{path}/auth", self._authorize),
                Route(f"{REALM}/login", self._login, methods=["POST"]),
                Route(f"{path}/token", self._token, methods=["POST"]),
                Route(f"{path}/token/introspect", self._introspect, methods=["POST"]),
                Route(f"{path}/revoke", self._revoke, methods=["POST"]),
            ]
        )

    async def _metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "jwks_uri": f"{self._endpoints}/certs",
                "authorization_endpoint": f"{self._endpoints}/auth",
                "token_endpoint": f"{self._endpoints}/token",
                "introspection_endpoint": f"{self._endpoints}/token/introspect",
                "revocation_endpoint": f"{self._endpoints}/revoke",
                "scopes_supported": SCOPES.split(),
            }
        )

    async def _keys(self, _: Request) -> Response:
        jwk = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**jwk, "kid": "one", "alg": "RS256", "use": "sig"}]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        client = self.clients.get(asked.get("client_id", ""))
        redirect_uri = asked.get("redirect_uri", "")
        if client is None or redirect_uri not in client.redirects:
            return HTMLResponse("<h1>We are sorry</h1>Invalid parameter: redirect_uri", 400)
        scopes = asked.get("scope", "").split()
        self.asked_scopes.append(" ".join(scopes))
        if not set(scopes) <= set(client.scopes):
            return _back(asked, error="invalid_scope")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return _back(asked, error="invalid_request")
        user = self.sessions.get(request.cookies.get("session", ""))
        if user is not None:
            return self._code(asked, user)
        if asked.get("prompt") == "none":
            return _back(asked, error="login_required")
        action = html.escape(f"{REALM}/login?{urlencode(asked)}")
        return HTMLResponse(
            f'<form id="kc-form-login" action="{action}" method="post"><input name="username">'
            '<input name="password" type="password"><button>Sign In</button></form>'
        )

    async def _login(self, request: Request) -> Response:
        form = await request.form()
        name = str(form["username"])
        user = self.users.get(name)
        if user is None or user.password != form["password"]:
            return HTMLResponse("Invalid username or password.", 200)
        session = secrets.token_urlsafe(16)
        self.sessions[session] = name
        answer = self._code(dict(request.query_params), name)
        answer.set_cookie("session", session, httponly=True)
        return answer

    def _code(self, asked: dict[str, str], user: str) -> Response:
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "user": user, "until": time.time() + CODE_S}
        return _back(asked, code=code, iss=self.url, session_state="s")

    async def _token(self, request: Request) -> Response:
        if self.fails_with is not None:
            return self.fails_with
        form = {name: str(value) for name, value in (await request.form()).items()}
        name = self._client(request, form)
        if name is None:
            return _error("invalid_client", 401)
        match form.get("grant_type"):
            case "authorization_code":
                asked = self.codes.pop(form.get("code", ""), None)
                verifier = form.get("code_verifier", "").encode()
                hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest())
                if (
                    asked is None
                    or asked["until"] < time.time()
                    or asked["client_id"] != name
                    or asked["redirect_uri"] != form.get("redirect_uri")
                    or asked["code_challenge"] != hashed.rstrip(b"=").decode()
                ):
                    return _error("invalid_grant")
                return self._tokens(name, asked["user"], asked["scope"], asked.get("nonce"))
            case "refresh_token":
                kept = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
                if kept is None or kept["client"] != name:
                    return _error("invalid_grant")
                return self._tokens(name, kept["user"], kept["scope"])
            case "client_credentials" if self.clients[name].service_roles:
                scopes = form.get("scope", "")
                if not set(scopes.split()) <= set(self.clients[name].scopes):
                    return _error("invalid_scope")
                claims = self._claims(name, f"service-{name}", scopes)
                claims["realm_access"] = {"roles": list(self.clients[name].service_roles)}
                return JSONResponse(
                    {
                        "access_token": self._signed(claims),
                        "expires_in": ACCESS_S,
                        "refresh_expires_in": 0,
                        "token_type": "Bearer",
                        "scope": scopes,
                    }
                )
        return _error("unauthorized_client")

    def _client(self, request: Request, form: dict[str, str]) -> str | None:
        header = request.headers.get("authorization", "")
        name, secret = form.get("client_id", ""), form.get("client_secret")
        if header.startswith("Basic "):
            name, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            name, secret = unquote_plus(name), unquote_plus(secret)
        if "client_assertion" in form:
            claims = jwt.decode(form["client_assertion"], options={"verify_signature": False})
            name = claims["sub"]
            try:
                jwt.decode(
                    form["client_assertion"],
                    self.clients[name].key,
                    algorithms=["RS384", "ES384"],
                    audience=f"{self._endpoints}/token",
                    issuer=name,
                )
            except (jwt.PyJWTError, KeyError):
                return None
            return name
        client = self.clients.get(name)
        if client is None or client.key is not None or client.secret != secret:
            return None
        return name

    def _tokens(self, client: str, user: str, scope: str, nonce: str | None = None) -> Response:
        claims = self._claims(client, f"sub-{user}", scope)
        about = self.users[user]
        claims["fhirUser"] = about.fhir_user
        claims["realm_access"] = {
            "roles": [role for role in about.roles if role in self.clients[client].roles]
        }
        refresh_token = secrets.token_urlsafe(24)
        self.refresh_tokens[refresh_token] = {
            "client": client,
            "user": user,
            "scope": scope,
            "jti": claims["jti"],
        }
        members = {
            "access_token": self._signed(claims),
            "expires_in": ACCESS_S,
            "refresh_token": refresh_token,
            "refresh_expires_in": 0 if "offline_access" in scope else 1800,
            "token_type": "Bearer",
            "scope": scope,
        }
        if "openid" in scope.split():
            identity = {**claims, "aud": client, "typ": "ID", "jti": secrets.token_hex(8)}
            members["id_token"] = self._signed(identity | ({"nonce": nonce} if nonce else {}))
        return JSONResponse(members)

    def _claims(self, client: str, subject: str, scope: str) -> dict[str, Any]:
        now_s = int(time.time())
        return {
            "iss": self.url,
            "aud": [self.audience],
            "sub": subject,
            "azp": client,
            "typ": "Bearer",
            "iat": now_s,
            "exp": now_s + ACCESS_S,
            "jti": f"onrtac:{secrets.token_hex(8)}",
            "scope": scope,
        }

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, "RS256", {"kid": "one"})

    def token_without_launch(self, client: str, user: str, scope: str) -> str:
        """A token got from this server directly, around the façade."""
        answer = self._tokens(client, user, scope)
        return str(jwt.utils.force_bytes(answer.body).decode().split('"')[3])

    async def _introspect(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        name = self._client(request, form)
        if name is None or (self.clients[name].secret is None and self.clients[name].key is None):
            return _error("invalid_request", 401)
        try:
            claims = jwt.decode(
                form["token"],
                self._key.public_key(),
                algorithms=["RS256"],
                audience=self.audience,
            )
        except jwt.PyJWTError:
            return JSONResponse({"active": False})
        if claims["jti"] in self.revoked:
            return JSONResponse({"active": False})
        return JSONResponse({"active": True, **claims, "client_id": claims["azp"]})

    async def _revoke(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        name = self._client(request, form)
        if name is None:
            return _error("invalid_client", 401)
        kept = self.refresh_tokens.get(form["token"])
        if kept is not None:
            if kept["client"] != name:
                return _error("invalid_token")
            del self.refresh_tokens[form["token"]]
            return Response(status_code=200)
        try:
            claims = jwt.decode(form["token"], options={"verify_signature": False})
        except jwt.PyJWTError:
            return Response(status_code=200)
        if claims["azp"] != name:
            return _error("invalid_token")
        self.revoked.add(claims["jti"])
        return Response(status_code=200)


def _back(asked: dict[str, str], **told: str) -> RedirectResponse:
    state = {"state": asked["state"]} if "state" in asked else {}
    uri = asked["redirect_uri"]
    return RedirectResponse(f"{uri}{'&' if '?' in uri else '?'}{urlencode(state | told)}", 302)


def _error(error: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": error, "error_description": "as Keycloak says it"}, status)


@contextmanager
def served(app: Any, port: int) -> Iterator[None]:
    """The ASGI application on loopback, on a thread of its own."""
    server = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", port, lifespan="off", log_level="error", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        thread.join(30)
