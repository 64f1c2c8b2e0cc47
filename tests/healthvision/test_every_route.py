"""Every URL of every room: it asks for a token, or stands here with the reason why not; and it asks the decision.

A new route is found by itself, and fails here until it does both.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Mount, Route

from fhir_api import access, routes
from fhir_api.definitions.compartments import COMPARTMENTS
from fhir_api.operations.registry import Level, operations
from healthvision.app import Doors
from tests.scoped import Site, site

BEFORE_LOGIN = "clients read it before they can log in"
OF_THE_STANDARD = "OAuth 2.0: whoever comes here has no token yet, and proves himself otherwise"
PUBLIC = {
    "/fhir/metadata": BEFORE_LOGIN,
    "/fhir/.well-known/smart-configuration": BEFORE_LOGIN,
    "/.well-known/smart-configuration": BEFORE_LOGIN,
    "/auth/authorize": OF_THE_STANDARD,
    "/auth/callback": OF_THE_STANDARD,
    "/auth/patient/{id}": OF_THE_STANDARD,
    "/auth/token": OF_THE_STANDARD,
    "/auth/revoke": OF_THE_STANDARD,
    "/auth/style.json": BEFORE_LOGIN,
    "/": "leads to the documentation",
    "/healthz": "an orchestrator asks it; it says nothing of what is stored",
    "/readyz": "an orchestrator asks it; it says nothing of what is stored",
    "/docs": "documentation",
    "/docs/oauth2-redirect": "documentation",
    "/openapi.json": "documentation",
    "/static-offline-docs": "documentation",
}
BY_ITS_OWN_RULE = {
    "/fhir/_async/{id}": "a job is its asker's alone, whatever the asker may",
    "/auth/introspect": "whoever holds a token may ask about it (RFC 7662); the client proves itself",
    "/auth/launch": "the EHR's own client, with a token of its user",
}
"""They ask for a token, and decide otherwise than by interaction and type."""

FHIR_SAMPLES = [
    "",
    "metadata",
    "_search",
    "_history",
    "_async/{id}",
    "Patient",
    "Patient/{id}",
    "Patient/_search",
    "Patient/_history",
    "Patient/{id}/_history",
    "Patient/{id}/_history/1",
    "Patient/{id}/Observation",
    "Patient/{id}/Observation/_search",
]
OPERATION_AT = {
    Level.SYSTEM: "${name}",
    Level.TYPE: "{type}/${name}",
    Level.INSTANCE: "{type}/{id}/${name}",
    Level.VERSION: "{type}/{id}/_history/1/${name}",
}


def fhir_urls() -> Iterator[tuple[str, str]]:
    """(method, URL) of the table of interactions and of the operations."""
    paths = list(FHIR_SAMPLES)
    for operation in operations().values():
        type = min(operation.types or {"Patient"})
        paths += [
            OPERATION_AT[level].replace("{type}", type).replace("{name}", operation.name)
            for level in Level
            if level in operation.levels
        ]
    for path in paths:
        for method in routes._methods(tuple(path.split("/")) if path else ()):
            yield method, f"/fhir/{path}"


def listed(app: Any, root: str) -> Iterator[tuple[str, str]]:
    """(method, URL) of an application of Starlette's, with what it hands on to by default."""
    for route in getattr(app, "routes", ()):
        if isinstance(route, Route):
            for method in sorted(route.methods or ()):
                yield method, root + route.path
        elif isinstance(route, Mount):
            yield "GET", root + route.path
    default = getattr(app, "default", None)
    if getattr(default, "routes", None):
        yield from listed(default, root)


def every_url(doors: Doors) -> list[tuple[str, str]]:
    found = list(fhir_urls())
    for name, room in doors.rooms.items():
        if name != "fhir":
            there = list(listed(room, f"/{name}"))
            assert there, f"no routes are found in {name}"
            found += there
    found += listed(doors.others, "")
    found += (("GET", path) for path in doors.paths)
    return [(method, url) for method, url in found if method != "OPTIONS"]


def asked_for(url: str) -> bool:
    return url not in PUBLIC


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Site]:
    """With the façade: its issuer need not be there."""
    async with site(tmp_path, oidc_issuer="http://127.0.0.1:9/realms/none") as opened:
        yield opened


async def answer(client: httpx.AsyncClient, method: str, url: str) -> httpx.Response:
    """To a request that could be one: with a body that fits."""
    filled = url.replace("{id}", "1").replace("{tag}", "7FE00010").replace("{frames}", "1")
    for name in ("study", "series", "instance"):
        filled = filled.replace(f"{{{name}}}", "1.2.3")
    body: Any = {"resourceType": "Patient", "id": "1"}
    content_type = "application/fhir+json"
    if url == "/fhir/":
        body = {"resourceType": "Bundle", "type": "batch"}
    elif "$" in url:
        body = {"resourceType": "Parameters"}
    if method == "PATCH":
        body = [{"op": "add", "path": "/active", "value": True}]
        content_type = "application/json-patch+json"
    elif url == "/auth/introspect":
        return await client.post(filled, data={"token": "x"})
    elif url.endswith("_search"):
        return await client.post(filled, data={"_count": "1"})
    elif url.startswith("/api/"):
        content_type = "application/json"
        body = {"study": "ImagingStudy/1"}
        if url.endswith("batches"):
            body = {"analyses": [body]}
    if method in {"GET", "HEAD", "DELETE"}:
        return await client.request(
            method, filled + ("?identifier=x" if url.endswith("/Patient") else "")
        )
    return await client.request(method, filled, json=body, headers={"Content-Type": content_type})


def test_every_table_of_interactions_has_a_sample() -> None:
    tables = [
        value
        for name, value in vars(routes).items()
        if name.isupper() and isinstance(value, dict) and value is not COMPARTMENTS
    ]
    sampled = [routes._methods(tuple(one.split("/")) if one else ()) for one in FHIR_SAMPLES]
    operations = [routes.OPERATION, routes.SAFE_OPERATION]
    assert all(any(table is one for one in [*sampled, *operations]) for table in tables)


async def test_every_url_asks_for_a_token_or_is_public_for_a_reason(place: Site) -> None:
    stranger, impostor = place.client(None), place.client("not-a-token")
    urls = every_url(place.app.doors)
    assert len(urls) > 80
    for method, url in urls:
        if asked_for(url):
            for client in (stranger, impostor):
                refused = await answer(client, method, url)
                assert refused.status_code == 401, (method, url, refused.text)
                assert refused.headers["www-authenticate"], url
    assert set(PUBLIC) <= {url for _, url in urls}, "a reason for what is not there any more"


async def test_a_token_that_opens_nothing_opens_nothing(place: Site) -> None:
    powerless = place.client(place.token("user/Basic.rs", user="Practitioner/1"))
    for method, url in every_url(place.app.doors):
        if asked_for(url):
            refused = await answer(powerless, method, url)
            expected = 404 if url == "/fhir/_async/{id}" else 403
            assert refused.status_code == expected, (method, url, refused.text)


async def test_every_url_asks_the_one_decision(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    may = access.may

    def recorded(caller: access.Caller, interaction: access.Interaction, type: str = "") -> bool:
        asked.append(caller.id)
        return may(caller, interaction, type)

    for module in list(sys.modules.values()):
        if getattr(module, "may", None) is may:
            monkeypatch.setattr(module, "may", recorded)
    operator = place.client()
    for method, url in every_url(place.app.doors):
        if asked_for(url) and url not in BY_ITS_OWN_RULE:
            asked.clear()
            await answer(operator, method, url)
            assert "operator" in asked, (method, url)
