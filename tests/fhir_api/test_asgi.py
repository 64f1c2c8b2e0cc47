"""The ASGI face over real HTTP: authentication, limits, gzip, streams (https://hl7.org/fhir/R4/http.html)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Mapping

import httpx
import orjson
import pytest
import uvicorn

from fhir_api.access import Caller
from fhir_api.api import Api, ApiOptions
from fhir_api.asgi import Application, Message, Receive, Scope, Send, fhir_app
from fhir_api.errors import Category, FhirError
from store.sqlite import SqliteStore
from tests.fhir_api.client import BASE, Client, entry, observation, patient
from tests.fhir_api.conftest import VALIDATOR

JSON = {"content-type": "application/fhir+json"}


async def authenticate(headers: Mapping[str, str]) -> Caller:
    if headers.get("authorization") != "Bearer secret":
        challenge = ("WWW-Authenticate", 'Bearer realm="test"')
        raise FhirError(Category.LOGIN, "This needs a token.", headers=(challenge,))
    return Caller("operator", frozenset({"operator"}))


def mounted(app: Application) -> Application:
    async def at_fhir(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": "/fhir"}, receive, send)

    return at_fhir


@pytest.fixture
def limits() -> ApiOptions:
    return ApiOptions(max_body_bytes=200_000, max_binary_bytes=5_000_000, max_url_bytes=2000)


@pytest.fixture
async def http(store: SqliteStore, limits: ApiOptions) -> AsyncIterator[httpx.AsyncClient]:
    app = mounted(fhir_app(Api(store, VALIDATOR, limits), authenticate))
    config = uvicorn.Config(
        app, port=0, lifespan="off", http="httptools", log_config=None, ws="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"authorization": "Bearer secret"}
    ) as client:
        yield client
    server.should_exit = True
    await serving


async def test_create_and_read_over_http(http: httpx.AsyncClient) -> None:
    created = await http.post("/fhir/Patient", json=patient(), headers=JSON)
    assert created.status_code == 201
    read = await http.get(created.headers["location"].partition("/_history")[0])
    assert read.status_code == 200
    assert read.content == created.content
    assert read.headers["etag"] == 'W/"1"'


async def test_transactions_are_taken_with_and_without_a_trailing_slash(
    http: httpx.AsyncClient,
) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [entry("POST", "Patient", patient())],
    }
    for url in ("/fhir", "/fhir/"):
        reply = await http.post(url, json=bundle, headers=JSON)
        assert reply.json()["type"] == "transaction-response"


async def test_only_metadata_is_open(http: httpx.AsyncClient) -> None:
    """RFC 6750 §3"""
    no_one = {"authorization": ""}
    assert (await http.get("/fhir/metadata", headers=no_one)).status_code == 200
    for method, url in (
        ("GET", "/fhir/Patient/a"),
        ("GET", "/fhir/Nonsense"),
        ("POST", "/fhir"),
        ("OPTIONS", "/fhir/Patient"),
        ("GET", "/fhir/metadata/x"),
        ("POST", "/fhir/Binary"),
    ):
        reply = await http.request(method, url, headers=no_one)
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"].startswith("Bearer")
        assert reply.json()["issue"][0]["code"] == "login"


async def test_a_request_id_is_echoed_or_made(http: httpx.AsyncClient) -> None:
    named = await http.get("/fhir/Patient/a", headers={"x-request-id": "abc-1.2_3"})
    assert named.headers["x-request-id"] == "abc-1.2_3"
    odd = await http.get("/fhir/Patient/a", headers={"x-request-id": "a b<script>"})
    assert odd.headers["x-request-id"] != "a b<script>"
    one = (await http.get("/fhir/Patient/a")).headers["x-request-id"]
    two = (await http.get("/fhir/Patient/a")).headers["x-request-id"]
    assert one != two


async def test_head_has_the_headers_of_get_and_no_body(http: httpx.AsyncClient) -> None:
    await http.put("/fhir/Patient/a", json=patient(id="a"), headers=JSON)
    get, head = await http.get("/fhir/Patient/a"), await http.head("/fhir/Patient/a")
    assert head.content == b""
    for name in ("content-length", "etag", "last-modified", "content-type"):
        assert head.headers[name] == get.headers[name]


async def test_long_answers_are_packed_for_those_who_take_it(http: httpx.AsyncClient) -> None:
    body = patient(id="a", text={"status": "generated", "div": DIV})
    await http.put("/fhir/Patient/a", json=body, headers=JSON)
    packed = await http.get("/fhir/Patient/a", headers={"accept-encoding": "gzip"})
    plain = await http.get("/fhir/Patient/a", headers={"accept-encoding": "gzip;q=0, identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content)
    assert "Accept-Encoding" in plain.headers["vary"]


DIV = f'<div xmlns="http://www.w3.org/1999/xhtml">{"a word and " * 300}</div>'


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("deflate", None),
        ("gzip;q=x", None),
        ("identity;q=1, *;q=0", None),
        ("", None),
        ("gzip," * 99 + "x", None),
    ],
)
async def test_the_encoding_is_the_one_that_is_liked_best(
    http: httpx.AsyncClient, accepted: str, encoding: str | None
) -> None:
    """RFC 9110 section 12.5.3"""
    body = patient(id="a", text={"status": "generated", "div": DIV})
    await http.put("/fhir/Patient/a", json=body, headers=JSON)
    reply = await http.get("/fhir/Patient/a", headers={"accept-encoding": accepted})
    assert reply.headers.get("content-encoding") == encoding
    assert reply.json()["id"] == "a"
    picture = await http.post(
        "/fhir/Binary", content=b"p" * 5000, headers={"content-type": "image/png"}
    )
    raw = await http.get(picture.headers["location"], headers={"accept-encoding": accepted})
    assert "content-encoding" not in raw.headers


async def test_every_answer_tells_a_browser_to_run_nothing(http: httpx.AsyncClient) -> None:
    await http.put("/fhir/Patient/a", json=patient(id="a"), headers=JSON)
    picture = await http.post(
        "/fhir/Binary", content=b"<script>", headers={"content-type": "text/html"}
    )
    for reply in (
        await http.get("/fhir/Patient/a"),
        await http.get("/fhir/Patient/a", headers={"accept": "text/html"}),
        await http.get("/fhir/Nonsense"),
        await http.get(picture.headers["location"]),
        await http.get("/fhir/Patient/a", headers={"authorization": ""}),
    ):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["vary"] == "Accept, Accept-Encoding"
        assert reply.headers["cache-control"] == "private, no-cache"


async def test_a_stranger_is_refused_in_the_format_that_he_reads(http: httpx.AsyncClient) -> None:
    for accept, content_type in (
        ("application/fhir+json", "application/fhir+json"),
        ("application/fhir+xml", "application/fhir+xml"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("image/png", "application/fhir+json"),
    ):
        reply = await http.get("/fhir/Patient", headers={"accept": accept, "authorization": ""})
        assert (reply.status_code, reply.headers["content-type"]) == (
            401,
            f"{content_type}; charset=utf-8",
        )
        assert "This needs a token." in reply.text
    unreadable = await http.get("/fhir/Patient?_format=%FF", headers={"authorization": ""})
    assert unreadable.status_code == 401


async def test_a_page_of_a_search_that_has_not_changed_is_304(http: httpx.AsyncClient) -> None:
    """RFC 9110 section 13.1.2"""
    await http.put("/fhir/Patient/a", json=patient(id="a"), headers=JSON)
    for url in (
        "/fhir/Patient?_count=1",
        "/fhir/Patient/_history",
        "/fhir/_history",
        "/fhir/metadata",
    ):
        first = await http.get(url)
        known = {"if-none-match": f'"x", {first.headers["etag"]}'}
        again = await http.get(url, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert (await http.head(url, headers=known)).status_code == 304
    await http.put("/fhir/Patient/a", json=patient("2", id="a"), headers=JSON)
    first = await http.get("/fhir/Patient?_count=1", headers={"if-none-match": 'W/"x"'})
    assert first.status_code == 200


async def test_a_packed_request_is_unpacked(http: httpx.AsyncClient) -> None:
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        headers = {**JSON, "content-encoding": encoding}
        body = pack(orjson.dumps(patient()))
        reply = await http.post("/fhir/Patient", content=body, headers=headers)
        assert reply.status_code == 201


async def test_a_packed_request_that_is_broken_bombed_or_unknown_is_refused(
    http: httpx.AsyncClient,
) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    whole = gzip.compress(orjson.dumps(patient()))
    for encoding, body, status in (
        ("gzip", bomb, 413),
        ("gzip", whole[:-9], 400),
        ("gzip", b"nonsense", 400),
        ("br", b"x", 415),
    ):
        headers = {**JSON, "content-encoding": encoding}
        tracemalloc.start()
        reply = await http.post("/fhir/Patient", content=body, headers=headers)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (reply.status_code, reply.json()["resourceType"]) == (status, "OperationOutcome")
        assert peak < 10_000_000


async def test_a_body_that_is_too_large_is_413_declared_or_not(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    for content in (b" " * 300_000, chunks()):
        reply = await http.post("/fhir/Patient", content=content, headers=JSON)
        assert (reply.status_code, reply.json()["issue"][0]["code"]) == (413, "too-long")


async def test_a_body_in_chunks_is_read_whole(http: httpx.AsyncClient) -> None:
    body = orjson.dumps(patient())

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 7):
            yield body[at : at + 7]

    reply = await http.post("/fhir/Patient", content=chunks(), headers=JSON)
    assert reply.status_code == 201


async def test_a_url_that_is_too_long_is_refused(http: httpx.AsyncClient) -> None:
    reply = await http.get("/fhir/Patient?name=" + "a" * 3000)
    assert (reply.status_code, reply.json()["issue"][0]["code"]) == (414, "too-long")


async def test_a_large_upload_is_streamed_both_ways(http: httpx.AsyncClient) -> None:
    chunk = bytes(range(256)) * 256
    digest = hashlib.sha256(chunk * 60).hexdigest()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield chunk

    headers = {"content-type": "application/octet-stream", "prefer": "return=minimal"}
    created = await http.post("/fhir/Binary", content=chunks(), headers=headers)
    assert created.status_code == 201
    seen = hashlib.sha256()
    async with http.stream("GET", created.headers["location"]) as reply:
        assert int(reply.headers["content-length"]) == len(chunk) * 60
        async for part in reply.aiter_bytes():
            seen.update(part)
    assert seen.hexdigest() == digest
    head = await http.head(created.headers["location"])
    assert int(head.headers["content-length"]) == len(chunk) * 60


async def test_an_upload_that_is_too_large_is_refused_and_not_stored(
    http: httpx.AsyncClient,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield b"x" * 100_000

    headers = {"content-type": "image/png"}
    reply = await http.post("/fhir/Binary", content=chunks(), headers=headers)
    assert (reply.status_code, reply.json()["issue"][0]["code"]) == (413, "too-long")
    assert (await http.get("/fhir/Binary?_summary=count")).json()["total"] == 0


async def test_segments_are_decoded_after_the_path_is_split(http: httpx.AsyncClient) -> None:
    await http.put("/fhir/Patient/a", json=patient(id="a"), headers=JSON)
    assert (await http.get("/fhir/%50atient/a")).status_code == 200
    assert (await http.get("/fhir/Patient%2Fa")).status_code == 404
    assert (await http.get("/fhir/Patient/a%2F_history")).status_code == 404
    assert (await http.get("/fhir/Patient/%FF")).status_code == 404


async def test_a_forged_host_never_becomes_a_link(http: httpx.AsyncClient) -> None:
    headers = {"host": 'evil.test/"><script>'}
    reply = await http.post("/fhir/Patient", json=patient(), headers={**JSON, **headers})
    assert "evil" not in reply.headers.get("location", "")


async def test_the_public_base_url_wins_over_host(store: SqliteStore) -> None:
    sent: list[Message] = []
    api = Api(store, VALIDATOR, ApiOptions(base_url="https://fhir.example.org/r4"))
    body = orjson.dumps(patient())

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [
        (b"host", b"inner:8000"),
        (b"authorization", b"Bearer secret"),
        (b"content-type", b"application/fhir+json"),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/fhir/Patient",
        "root_path": "/fhir",
        "query_string": b"",
        "headers": headers,
    }
    await fhir_app(api, authenticate)(scope, receive, send)
    location = dict(sent[0]["headers"])[b"location"]
    assert location.startswith(b"https://fhir.example.org/r4/Patient/")


async def test_a_client_that_leaves_before_its_request_is_whole_writes_nothing(
    store: SqliteStore,
) -> None:
    api = Api(store, VALIDATOR)
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"resourceType":', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    for path, content_type in (
        ("/fhir/Patient", b"application/fhir+json"),
        ("/fhir/Binary", b"image/png"),
    ):
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "root_path": "/fhir",
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer secret"), (b"content-type", content_type)],
        }
        messages[:] = [
            {"type": "http.request", "body": b'{"resourceType":', "more_body": True},
            {"type": "http.disconnect"},
        ]
        await fhir_app(api, authenticate)(scope, receive, send)
    assert sent == []
    client = Client(api)
    assert await client.count("Patient") == await client.count("Binary") == 0


async def test_absolute_references_to_ourselves_are_found_as_local_ones(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.post("Observation", observation(f"{BASE}/Patient/a"))
    assert (await client.get("Observation?patient=a")).json["total"] == 1
