"""No route, method or operation of the server goes past the decision: whoever may nothing is refused everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_api import routes
from fhir_api.definitions.compartments import COMPARTMENTS
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.operations.registry import Level, operations
from tests.fhir_api.client import Client, bundle
from tests.fhir_api.visibility.callers import app

TYPES = sorted(RESOURCE_TYPES)
OPEN = ["metadata"]
"""For everybody, with or without a token."""
OWN_ONLY = ["_async/x"]
"""What nobody but its owner finds."""


def urls() -> Iterator[str]:
    yield from ("", "_search", "_history")
    for type in TYPES:
        yield from (type, f"{type}/_search", f"{type}/_history")
        yield from (f"{type}/x", f"{type}/x/_history", f"{type}/x/_history/1")
    for compartment, types in COMPARTMENTS.items():
        for inner in ("*", *types):
            yield from (f"{compartment}/x/{inner}", f"{compartment}/x/{inner}/_search")
    yield from operation_urls()


def operation_urls() -> Iterator[str]:
    for name, operation in operations().items():
        for level in operation.levels:
            for type in TYPES if level is not Level.SYSTEM else [""]:
                if operation.at(level, type):
                    place = level.value.replace("name", name).replace("Type", type)
                    yield place.replace("/id", "/x").replace("version", "1")


def asked(url: str) -> Iterator[tuple[str, str]]:
    path = tuple(url.split("/")) if url else ()
    for method in routes._methods(path):
        yield method, url


def body_for(method: str, url: str) -> tuple[Any, dict[str, str]]:
    """A body that would pass, as far as one can pass for all."""
    if method == "PATCH":
        return b"[]", {"content_type": "application/json-patch+json"}
    if method in {"GET", "DELETE"} or url.endswith("_search"):
        return None, {}
    if not url:
        return bundle("batch"), {}
    if "$" in url:
        return {"resourceType": "Parameters"}, {}
    return {"resourceType": url.split("/", maxsplit=1)[0], "id": "x"}, {}


def test_the_walk_reaches_all_that_is_routed() -> None:
    every = {id(value) for value in vars(routes).values() if is_methods(value)}
    walked = [tuple(url.split("/")) if url else () for url in [*urls(), *OPEN, *OWN_ONLY]]
    assert {id(routes._methods(path)) for path in walked} == every
    names = {url.rpartition("$")[2] for url in operation_urls()}
    assert names == set(operations())


def is_methods(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and set(value) <= {"GET", "POST", "PUT", "DELETE", "PATCH"}
    )


@pytest.mark.parametrize(
    "caller",
    [
        app(""),
        app("openid profile launch/patient offline_access", roles="operator clinician worker"),
        app("patient/*.cruds", ""),
        app("user/*.cruds"),
        app("system/*.cruds", roles="operator"),
    ],
    ids=[
        "no scopes",
        "no resource scopes",
        "no patient",
        "no role",
        "no service",
    ],
)
async def test_who_may_nothing_is_refused_at_every_url(client: Client, caller: Any) -> None:
    nobody = client.calling_as(caller)
    passed = []
    for url in urls():
        for method, _ in asked(url):
            body, headers = body_for(method, url)
            reply = await nobody.ask(method, url, body, **headers)
            if reply.status != 403:
                passed.append((method, url, reply.status))
    assert passed == []
    for url in OWN_ONLY:
        assert (await nobody.get(url)).status == 404
        assert (await nobody.delete(url)).status == 404
