"""What apps, an EHR and a person's browser do in SMART App Launch, as they do it: the same against any issuer.

A browser here is a cookie jar that follows redirects and fills in forms; it stops where an app's address begins.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

MOST_HOPS = 12


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """Name and value of each."""


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.onward = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(got.get("action", ""), got.get("method", "get").lower()))
        elif tag in {"input", "textarea"} and self.forms and "name" in got:
            self.forms[-1].fields[got["name"]] = got.get("value", "")
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append((got.get("name", ""), got.get("value", "")))
        elif tag == "meta" and got.get("http-equiv", "").lower() == "refresh":
            self.onward = got["content"].partition("url=")[2]


@dataclass(frozen=True)
class Page:
    """Where the browser is. At an app's address ``status`` is 0: nobody was asked."""

    url: str
    status: int
    text: str
    headers: httpx.Headers

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}

    @property
    def forms(self) -> list[Form]:
        return self._parsed.forms

    @property
    def onward(self) -> str:
        """Where the page goes by itself; '' nowhere."""
        return self._parsed.onward

    @property
    def _parsed(self) -> _Forms:
        parser = _Forms()
        parser.feed(self.text)
        return parser


class Browser:
    """One person's browser."""

    def __init__(self, *app_addresses: str) -> None:
        self.client = httpx.Client(trust_env=False, timeout=30.0)
        self._stops = app_addresses

    def open(self, url: str) -> Page:
        return self._follow("GET", url, None, {})

    def submit(self, page: Page, do: str = "", *, form: int = -1, **fields: str) -> Page:
        """Fills in the form that has the button ``do`` (or the last one) and sends it."""
        forms = page.forms
        chosen = forms[form]
        if do:
            chosen = next(
                one
                for one in forms
                if ("do", do) in one.buttons
                and all(
                    one.fields.get(name, value) == value
                    for name, value in fields.items()
                    if name == "patient"
                )
            )
            fields = {**fields, "do": do}
        data = chosen.fields | fields
        return self._follow(
            chosen.method.upper(),
            urljoin(page.url, chosen.action),
            data,
            {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        )

    def log_in(self, page: Page, username: str, password: str) -> Page:
        """At the issuer's own page; where the browser is signed in already there is none."""
        if not any("password" in form.fields for form in page.forms):
            return page
        index = next(i for i, form in enumerate(page.forms) if "password" in form.fields)
        return self.submit(page, form=index, username=username, password=password)

    def close(self) -> None:
        self.client.close()

    def _follow(
        self, method: str, url: str, data: dict[str, str] | None, headers: dict[str, str]
    ) -> Page:
        for _ in range(MOST_HOPS):
            if url.startswith(self._stops):
                return Page(url, 0, "", httpx.Headers())
            answer = self.client.request(method, url, data=data, headers=headers)
            for cookie in self.client.cookies.jar:
                cookie.secure = False  # to browsers loopback is as good as TLS
            page = Page(url, answer.status_code, answer.text, answer.headers)
            location = answer.headers.get("location") or page.onward
            if not location:
                return page
            method, url, data, headers = "GET", urljoin(url, location), None, {}
        raise AssertionError("it goes round in circles")


@dataclass
class App:
    """A SMART app, public unless it has a secret. Each launch of it is one object."""

    fhir: str
    client_id: str
    redirect_uri: str
    secret: str | None = None
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def configuration(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.fhir}/.well-known/smart-configuration", trust_env=False)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @property
    def challenge(self) -> str:
        hashed = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()

    def parameters(self, scope: str, **others: str | None) -> dict[str, str]:
        """Of the authorization request; None leaves one out."""
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": self.state,
            "aud": self.fhir,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **others,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def url(self, scope: str, **others: str | None) -> str:
        """Where the app sends the browser."""
        endpoint = self.configuration["authorization_endpoint"]
        return str(httpx.URL(endpoint, params=self.parameters(scope, **others)))

    def code_of(self, page: Page) -> str:
        """The code that came back, with the state that was sent."""
        assert page.url.startswith(self.redirect_uri), (page.status, page.url, page.text)
        assert page.query.get("state") == self.state, page.url
        assert "code" in page.query, page.url
        return page.query["code"]

    def exchange(self, code: str, **others: str) -> httpx.Response:
        return self.post(
            "token",
            grant_type="authorization_code",
            code=code,
            **{"redirect_uri": self.redirect_uri, "code_verifier": self.verifier, **others},
        )

    def refresh(self, refresh_token: str, **others: str) -> httpx.Response:
        return self.post("token", grant_type="refresh_token", refresh_token=refresh_token, **others)

    def post(self, endpoint: str, **form: str) -> httpx.Response:
        """To an endpoint of the server's configuration (token, introspection, revocation), as this client."""
        url = self.configuration[f"{endpoint}_endpoint"]
        if self.secret is not None:
            return httpx.post(
                url, data=form, auth=(self.client_id, self.secret), trust_env=False, timeout=30
            )
        data = {"client_id": self.client_id, **form}
        return httpx.post(url, data=data, trust_env=False, timeout=30)

    def get(self, path: str, token: str) -> httpx.Response:
        """From the FHIR server."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{self.fhir}/{path}", headers=headers, trust_env=False, timeout=30)


def make_launch(fhir: str, token: str, **wish: Any) -> httpx.Response:
    """What an EHR asks for: a launch of this patient."""
    return httpx.post(
        f"{fhir.removesuffix('/fhir')}/auth/launch",
        json=wish,
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )


def ehr_launch(
    browser: Browser, app: App, launch: str, scope: str, username: str, password: str
) -> httpx.Response:
    """The whole of an EHR launch: what the token endpoint answers in the end."""
    page = browser.open(app.url(scope, launch=launch))
    page = browser.log_in(page, username, password)
    return app.exchange(app.code_of(page))


def standalone_launch(
    browser: Browser,
    app: App,
    scope: str,
    username: str,
    password: str,
    patient: str,
    **sought: str,
) -> httpx.Response:
    """The whole of a standalone launch, in which the person looks for ``patient`` on the picker and chooses."""
    page = browser.open(app.url(scope))
    page = browser.log_in(page, username, password)
    page = browser.submit(page, "search", **sought)
    page = browser.submit(page, "choose", patient=patient)
    page = browser.log_in(page, username, password)
    return app.exchange(app.code_of(page))
