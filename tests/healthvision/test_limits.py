"""Every limit that an operator sets, met and passed by one, on a real server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.deployment import Deployment
from tests.fhir_api.client import bundle, entry, patient

JSON = {"content-type": "application/fhir+json"}
LIMITS = {
    "BODY_LIMIT_BYTES": "2000",
    "UPLOAD_LIMIT_BYTES": "3000",
    "URL_LIMIT_BYTES": "300",
    "HEADER_LIMIT_BYTES": "1500",
    "PARAMETER_LIMIT": "3",
    "NESTING_LIMIT": "10",
    "BUNDLE_ENTRY_LIMIT": "2",
    "PAGE_SIZE_LIMIT": "2",
    "PATIENCE_S": "0.5",
    "REQUIRE_IF_MATCH": "true",
    "CORS_ORIGINS": "https://app.example.org",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    settings = {f"HEALTHVISION_{name}": value for name, value in LIMITS.items()}
    folder = tmp_path_factory.mktemp("limits")
    deployment = Deployment(folder / "data", arguments=("--no-worker",), settings=settings)
    deployment.start()
    yield deployment
    deployment.kill()


@pytest.fixture
def http(server: Deployment) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def code(reply: httpx.Response) -> tuple[int, str]:
    outcome = reply.json()
    assert outcome["resourceType"] == "OperationOutcome"
    return reply.status_code, outcome["issue"][0]["code"]


def sized(tree: dict[str, Any], size: int) -> bytes:
    body = json.dumps(tree).encode()
    return body + b" " * (size - len(body))


def test_bytes_of_a_body(http: httpx.Client) -> None:
    assert http.post("/Patient", content=sized(patient(), 2000), headers=JSON).status_code == 201
    over = http.post("/Patient", content=sized(patient(), 2001), headers=JSON)
    assert code(over) == (413, "too-long")


def test_bytes_of_an_upload(http: httpx.Client) -> None:
    png = {"content-type": "image/png"}
    assert http.post("/Binary", content=b"x" * 3000, headers=png).status_code == 201
    assert code(http.post("/Binary", content=b"x" * 3001, headers=png)) == (413, "too-long")


def test_bytes_of_a_url(http: httpx.Client) -> None:
    rest = 300 - len("/fhir/Patient") - len("name=")
    assert http.get("/Patient?name=" + "a" * rest).status_code == 200
    assert code(http.get("/Patient?name=" + "a" * (rest + 1))) == (414, "too-long")


def test_bytes_of_a_head(http: httpx.Client) -> None:
    assert http.get("/Patient", headers={"x-a": "b" * 1000}).status_code == 200
    assert code(http.get("/Patient", headers={"x-a": "b" * 1500})) == (431, "too-long")


def test_parameters_of_a_url_and_of_a_form(http: httpx.Client) -> None:
    allowed, over = "active=true&" * 2 + "active=true", "active=true&" * 3 + "active=true"
    form = {"content-type": "application/x-www-form-urlencoded"}
    for query, status in ((allowed, 200), (over, 403)):
        by_url = http.get(f"/Patient?{query}")
        by_form = http.post("/Patient/_search", content=query, headers=form)
        assert (by_url.status_code, by_form.status_code) == (status, status)
    assert code(by_url) == code(by_form) == (403, "too-costly")


def test_levels_of_nesting(http: httpx.Client) -> None:
    def nested(levels: int) -> dict[str, Any]:
        """Each extension is an array and an object; the resource itself is one level."""
        inner: dict[str, Any] = {"url": "http://x.test", "valueCode": "x"}
        for _ in range(levels // 2 - 1):
            inner = {"url": "http://x.test", "extension": [inner]}
        return patient(extension=[inner])

    assert http.post("/Patient", json=nested(9), headers=JSON).status_code == 201
    assert code(http.post("/Patient", json=nested(11), headers=JSON)) == (400, "structure")


def test_entries_of_a_bundle(http: httpx.Client) -> None:
    one = entry("GET", "Patient?_summary=count")
    for kind in ("batch", "transaction"):
        assert http.post("", json=bundle(kind, one, one), headers=JSON).status_code == 200
        over = http.post("", json=bundle(kind, one, one, one), headers=JSON)
        assert code(over) == (403, "too-costly")


def test_entries_of_a_page(http: httpx.Client) -> None:
    for number in range(3):
        http.post(
            "/Basic", json={"resourceType": "Basic", "code": {"text": str(number)}}, headers=JSON
        )
    page = http.get("/Basic?_count=100").json()
    assert len(page["entry"]) == 2
    assert "_count=2" in page["link"][0]["url"]


def test_patience_with_a_slow_sender(server: Deployment) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /fhir/Patient HTTP/1.1\r\nContent-Length: 100\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_if_match_where_it_is_required(http: httpx.Client) -> None:
    url = "/Patient/precious"
    assert http.put(url, json=patient(id="precious"), headers=JSON).status_code == 201
    assert code(http.put(url, json=patient(id="precious"), headers=JSON)) == (428, "conflict")
    with_it = {**JSON, "if-match": 'W/"1"'}
    assert http.put(url, json=patient(id="precious"), headers=with_it).status_code == 200


def test_origins_of_browser_apps(http: httpx.Client) -> None:
    def preflight(origin: str) -> httpx.Response:
        asked = {"origin": origin, "access-control-request-method": "GET", "authorization": ""}
        return http.options("/Patient", headers=asked)

    assert preflight("https://app.example.org").status_code == 204
    assert code(preflight("https://evil.test")) == (403, "forbidden")
    read = http.get("/Patient", headers={"origin": "https://app.example.org"})
    assert read.headers["access-control-allow-origin"] == "https://app.example.org"
    found = http.get("/metadata", headers={"origin": "https://evil.test"})
    assert found.headers["access-control-allow-origin"] == "*"  # it says nothing of anybody
