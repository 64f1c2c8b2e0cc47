"""A realm of a Keycloak, by its admin REST interface.

https://www.keycloak.org/docs-api/latest/rest-api/index.html
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from healthvision.keycloak.errors import KeycloakError

TIMEOUT_S = 120.0
"""A client with hundreds of scopes is made in one request, which takes a busy Keycloak long."""
MASTER = "master"
"""The realm whose administrators may manage every realm."""

Representation = dict[str, Any]
"""One of Keycloak's JSON objects, as its interface documents them."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who manages the realm: a user of the master realm, or a confidential client there with a service account."""

    name: str
    secret: str
    is_client: bool = False

    @property
    def grant(self) -> dict[str, str]:
        """The form that asks for an access token."""
        if self.is_client:
            return {
                "grant_type": "client_credentials",
                "client_id": self.name,
                "client_secret": self.secret,
            }
        return {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": self.name,
            "password": self.secret,
        }


class _Login(httpx.Auth):
    """Asks for a token when it is needed, and again when Keycloak no longer takes it: it lives for a minute."""

    requires_response_body = True

    def __init__(self, url: str, administrator: Administrator) -> None:
        self._url = f"{url}/realms/{MASTER}/protocol/openid-connect/token"
        self._administrator = administrator
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token:
            request.headers["authorization"] = f"Bearer {self._token}"
            answer = yield request
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                return
        answer = yield httpx.Request("POST", self._url, data=self._administrator.grant)
        if not answer.is_success:
            raise KeycloakError(
                f"Keycloak does not accept the administrator {self._administrator.name}: {_said(answer)}."
            )
        self._token = answer.json()["access_token"]
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


class RealmAdmin:
    """One realm. Paths are below ``/admin/realms/<realm>``.

    Raises (every method): KeycloakError.
    """

    def __init__(self, url: str, realm: str, administrator: Administrator) -> None:
        self.url, self.realm = url.rstrip("/"), realm
        self._http = httpx.Client(
            auth=_Login(self.url, administrator), timeout=TIMEOUT_S, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str = "", **query: str) -> Any:  # noqa: ANN401 - JSON
        """What is there; None where nothing is."""
        answer = self._ask("GET", self._path(path), params=query)
        return None if answer.status_code == httpx.codes.NOT_FOUND else self._checked(answer).json()

    def post(self, path: str, body: Representation | list[Representation]) -> None:
        self._checked(self._ask("POST", self._path(path), json=body))

    def put(self, path: str, body: Representation | list[Representation] | None = None) -> None:
        self._checked(self._ask("PUT", self._path(path), json=body))

    def delete(self, path: str) -> None:
        self._checked(self._ask("DELETE", self._path(path)))

    def create(self, realm: Representation) -> None:
        """Makes the realm."""
        self._checked(self._ask("POST", "/admin/realms", json=realm))

    def _path(self, path: str) -> str:
        return f"/admin/realms/{quote(self.realm, safe='')}" + (f"/{path}" if path else "")

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        try:
            return self._http.request(method, self.url + path, **options)
        except httpx.HTTPError as error:
            raise KeycloakError(
                f"Keycloak cannot be reached at {self.url}: {type(error).__name__}."
            ) from error

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        where = answer.request.url.path.removeprefix(httpx.URL(self.url).path)
        raise KeycloakError(
            f"Keycloak refuses {answer.request.method} {where} with {answer.status_code}: {_said(answer)}."
        )


def _said(answer: httpx.Response) -> str:
    """Keycloak's own words for why not."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    said = body if isinstance(body, dict) else {}
    words = (said.get(name) for name in ("errorMessage", "error_description", "error"))
    return str(next((one for one in words if one), f"status {answer.status_code}")).rstrip(".")
