"""Requests at random: from plausible ones to bytes that are no HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from fhir_api.search.parameters import parameters_of
from tests.deployment import OPERATOR_TOKEN, WORKER_TOKEN
from tests.fuzz.bodies import SEEDS, Bodies, Body

TYPES = (
    "Patient",
    "Observation",
    "Task",
    "ImagingStudy",
    "Binary",
    "Encounter",
    "DiagnosticReport",
    "Bundle",
)
IDS = (
    "a",
    "a",
    "a",
    "a",
    "b",
    "b",
    "b",
    "o",
    "o",
    "none",
    "x" * 64,
    "x" * 65,
    "é",
    "..",
    "",
    "a b",
    "1",
    "%00",
)
OPERATIONS = (
    "$everything", "$validate", "$meta", "$meta-add", "$meta-delete", "$claim", "$heartbeat", "$progress", "$release",
    "$reindex", "$expand", "$x", "$", "$Meta",
)  # fmt: skip
MODIFIERS = (
    "", "", "", "", ":exact", ":contains", ":missing", ":not", ":text", ":identifier", ":in", ":not-in", ":below",
    ":above", ":of-type", ":Patient", ":iterate", ":x", ":",
)  # fmt: skip
VALUES = (
    "a", "urn:test|1", "|", "||", "x|", "|x", "2020", "gt2020-01-01", "eb2020-01", "ap1.10", "true", "false", "-1", "0",
    "1.10", "1e400", "5.4|http://unitsofmeasure.org|mg", "5||mg", "99999999999999999999", "Patient/a", "a,b", "a\\,b",
    "a$b", "http://x.test/vs", "*", "%", "\x00", "é", "𝄞", "", " ", "a" * 2000, "'\"", "(", "\\", "2024-02-30", "sa",
    "Observation:subject", "Patient:organization:Organization", "count", "text", "data", "desc", "-date", "_id,-_lastUpdated",
    "1000000", "json", "xml", "html", "application/fhir+json", "none", "accurate", "estimate",
)  # fmt: skip
RESULT_PARAMETERS = (
    "_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_text", "_content", "_filter", "_list", "_type",
    "_has:Observation:patient:code", "_has:Observation:subject:_has:Task:focus:status", "subject:Patient.name",
    "patient.organization.name", "_sort", "_count", "_summary", "_elements", "_total", "_include", "_include:iterate",
    "_revinclude", "_format", "_pretty", "_page", "_since", "_at", "_contained", "_x", "x", "", "profile", "mode",
    "resource", "start", "end",
)  # fmt: skip
HEADERS: dict[str, tuple[str, ...]] = {
    "Accept": ("application/fhir+json", "application/fhir+xml", "text/html", "*/*", "image/png", ",;q", "a/b;q=2",
               "application/fhir+xml;q=0.5, */*;q=0.1", "application/fhir+json; fhirVersion=3.0"),
    "Accept-Encoding": ("gzip", "br", "gzip, br", "*;q=0", "identity", "x", ";;"),
    "If-Match": ('W/"1"', '"1"', "*", "x", "", 'W/"99999999999999999999"', 'W/"1", W/"2"'),
    "If-None-Match": ('W/"1"', "*", "x", ""),
    "If-None-Exist": ("identifier=urn:test|1", "x=y", "", "_id=a", "?", "name:exact=%FF"),
    "If-Modified-Since": ("Mon, 01 Jan 2024 00:00:00 GMT", "Mon, 01 Jan 2124 00:00:00 GMT", "x", ""),
    "Prefer": ("return=minimal", "return=representation", "return=OperationOutcome", "handling=strict",
               "respond-async", "respond-async; handling=lenient", "return=x", ";;=,"),
    "Range": ("bytes=0-1", "bytes=-1", "bytes=5-", "bytes=0-0,2-3", "bytes=9-1", "x"),
    "If-Range": ('W/"1"', "x"),
    "X-Request-Id": ("abc", "a b", "<x>", ""),
    "X-Security-Context": ("Patient/a", "x", "Nonsense/1"),
    "Host": ("x", 'evil.test/"><script>', "", "[::1]:80", "a b"),
    "Origin": ("https://x.test", "null"),
    "X-Forwarded-For": ("1.2.3.4",),
    "Expect": ("100-continue", "x"),
    "Connection": ("close", "Upgrade", "x"),
    "Upgrade": ("websocket", "h2c"),
    "Content-Language": ("de",),
}  # fmt: skip
AUTHORIZATIONS = (
    *(f"Bearer {OPERATOR_TOKEN}",) * 60,
    *(f"Bearer {WORKER_TOKEN}",) * 4,
    "Bearer x",
    "Basic eDp5",
    "",
    None,
)
NO_HTTP = (
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET /fhir/Patient\r\n\r\n", b"GET /fhir HTTP/3.0\r\n\r\n", b"get /fhir HTTP/1.1\r\n\r\n",
    b"GET  /fhir  HTTP/1.1\r\n\r\n", b"GET /fhir/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /fhir HTTP/1.1\r\n: x\r\n\r\n",
    b"GET /fhir HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", b"GET /fhir HTTP/1.1\nHost: x\n\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET http://x.test/fhir HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"GET /fhir HTTP/1.1\r\nA: " + b"x" * 100_000 + b"\r\n\r\n", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /fhir HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 50,
    b"POST /fhir HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
    b"POST /fhir HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"POST /fhir HTTP/1.1\r\nTransfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n",
    b"POST /fhir HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"POST /fhir HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST /fhir HTTP/1.1\r\nContent-Length: 999999999999999999999\r\n\r\n",
    b"POST /fhir HTTP/1.1\r\nContent-Length: 10\r\n\r\n{}",
)  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """One request as bytes. ``kind`` is its row in the table."""

    kind: str
    method: str
    sent: bytes
    is_http: bool = True
    """Whether it is whole and well-formed, so that an answer is owed."""

    @property
    def names_fhir(self) -> bool:
        """Whether a URL of ours is in it."""
        return b" /fhir" in self.sent


class Attempts:
    """Makes attempts, the same ones for the same seed."""

    def __init__(self, seed: int, examples: list[dict[str, Any]]) -> None:
        self._random = Random(seed)
        self._bodies = Bodies(self._random, examples)

    def next(self) -> Attempt:
        kind = self._random.choices(
            (
                "read",
                "search",
                "write",
                "patch",
                "bundle",
                "operation",
                "binary",
                "anything",
                "no HTTP",
            ),
            (14, 24, 22, 6, 10, 8, 4, 8, 4),
        )[0]
        makers: dict[str, Callable[[], tuple[str, str, Body | None]]] = {
            "read": lambda: (
                self._pick("GET", "GET", "GET", "HEAD", "OPTIONS"),
                self._read(),
                None,
            ),
            "search": self._search,
            "write": self._write,
            "patch": lambda: ("PATCH", self._patched_url(), self._bodies.patch()),
            "bundle": lambda: ("POST", "", self._bodies.of(self._bodies.bundle(self._any_url))),
            "operation": self._operation,
            "binary": self._binary,
            "anything": self._anything,
        }
        if kind == "no HTTP":
            return self._no_http()
        method, url, body = makers[kind]()
        return self._attempt(kind, method, url, body)

    def _pick(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _path(self, *segments: str) -> str:
        """Segments as a client escapes them, mostly."""
        if self._random.random() < 0.9:
            segments = tuple(quote(segment) for segment in segments)
        return "/".join(segments)

    def _read(self) -> str:
        type, id = self._pick(*TYPES), self._pick(*IDS)
        path = self._random.choice(
            (
                (type, id), (type, id), (type, id), (type, id, "_history", self._pick("1", "2", "0", "x", "9" * 30)),
                (type, id, "_history"), (type, "_history"), ("_history",), ("metadata",), ("_async", "x"), (type, id, type),
                (type, id, "*"), ("Nonsense", id), (type, id, "x", "y"), (".well-known", "smart-configuration"), (),
            )
        )  # fmt: skip
        query = self._query(0.3, type)
        return self._path(*path) + query

    def _query(self, chance: float, type: str) -> str:
        pairs = []
        names = [*parameters_of(type)]
        while self._random.random() < chance and len(pairs) < 8:
            name = (
                self._pick(*RESULT_PARAMETERS)
                if self._random.random() < 0.4
                else self._pick(*names)
            )
            name += self._pick(*MODIFIERS) if ":" not in name else ""
            value = ",".join(
                self._pick(*VALUES) for _ in range(self._random.choice((1, 1, 1, 2, 30)))
            )
            escaped = self._random.random() < 0.9
            pairs.append(f"{quote(name)}={quote(value)}" if escaped else f"{name}={value}")
        if self._random.random() < 0.02:
            pairs = ["&".join(["a=b"] * self._random.choice((900, 1100, 5000)))]
        return "?" + "&".join(pairs) if pairs else self._pick("", "", "", "?")

    def _search(self) -> tuple[str, str, Body | None]:
        type = self._pick(*TYPES)
        query = self._query(0.75, type)
        place = self._random.random()
        if place < 0.2:
            form = Body(
                query.removeprefix("?").encode("utf-8", "replace"),
                "application/x-www-form-urlencoded",
            )
            return "POST", self._path(type, "_search"), form
        if place < 0.3:
            return "GET", self._path("Patient", "a", self._pick(*TYPES, "*")) + query, None
        if place < 0.4:
            return "GET", query, None
        return self._pick("GET", "GET", "HEAD"), self._path(type) + query, None

    def _write_url(self) -> str:
        type = self._pick(*TYPES)
        if self._random.random() < 0.3:
            return self._path(type) + self._pick(
                "?identifier=urn:test|1", "?_id=a", "?name=x", "", "?x=y"
            )
        if self._random.random() < 0.5:
            return self._pick("Patient/a", "Patient/b", "Observation/o", "Task/a", "ImagingStudy/a")
        return self._path(type, self._pick(*IDS))

    def _patched_url(self) -> str:
        return (
            self._pick("Patient/a", "Patient/b")
            if self._random.random() < 0.6
            else self._write_url()
        )

    def _write(self) -> tuple[str, str, Body | None]:
        chance = self._random.random()
        if chance < 0.08:
            return "DELETE", self._write_url(), None
        if chance < 0.2:
            return self._renewal()
        tree: Any = (
            self._bodies.resource() if self._random.random() < 0.5 else self._bodies.spoiled()
        )
        body = self._bodies.of(tree)
        type = tree.get("resourceType") if isinstance(tree, dict) else None
        type = (
            type
            if isinstance(type, str) and type.isalpha() and self._random.random() < 0.9
            else self._pick(*TYPES)
        )
        if self._random.random() < 0.55:
            return "POST", self._path(type), body
        id = tree.get("id") if isinstance(tree, dict) else None
        id = id if isinstance(id, str) and self._random.random() < 0.9 else self._pick(*IDS)
        query = self._pick("", "", "", "?identifier=urn:test|1")
        return "PUT", (self._path(type) + query) if query else self._path(type, id), body

    def _renewal(self) -> tuple[str, str, Body | None]:
        """One of the resources that reads, patches and operations name, as it is when nothing is wrong with it."""
        tree = self._random.choice([seed for seed in SEEDS if "id" in seed])
        return "PUT", f"{tree['resourceType']}/{tree['id']}", self._bodies.as_it_is(tree)

    def _operation(self) -> tuple[str, str, Body | None]:
        if self._random.random() < 0.6:
            return self._fitting_operation()
        name, type = self._pick(*OPERATIONS), self._pick(*TYPES)
        path = self._random.choice(
            ((name,), (type, name), (type, "a", name), (type, "a", "_history", "1", name))
        )
        if self._random.random() < 0.3:
            brief = "&wait=0" if name == "$claim" else ""
            return "GET", self._path(*path) + self._query(0.5, type) + brief, None
        tree = self._bodies.parameters() if self._random.random() < 0.7 else self._bodies.spoiled()
        return "POST", self._path(*path), self._bodies.of(tree)

    def _fitting_operation(self) -> tuple[str, str, Body | None]:
        """An operation where it is, with parameters that it takes, mostly."""
        resource = (
            self._bodies.resource() if self._random.random() < 0.4 else self._bodies.spoiled()
        )
        type = resource.get("resourceType") if isinstance(resource, dict) else None
        type = type if isinstance(type, str) and type.isalpha() else "Patient"
        meta = {"tag": [{"system": "urn:x", "code": self._pick("t", "u")}]}
        worker = {"worker": "valueString", "analysis": "valueString"}
        method, path, tree = self._random.choice(
            (
                ("GET", "Patient/a/$everything" + self._query(0.3, "Patient"), None),
                ("GET", "Patient/$everything" + self._query(0.3, "Patient"), None),
                ("GET", self._pick("$meta", "Patient/$meta", "Patient/a/$meta", "Patient/a/_history/1/$meta"), None),
                ("POST", f"Patient/a/{self._pick('$meta-add', '$meta-delete')}", _parameters(meta={"valueMeta": meta})),
                ("POST", f"{type}/$validate", resource),
                ("POST", f"{type}/$validate", _parameters(resource={"resource": resource}, mode={"valueCode": "create"})),
                ("POST", "Patient/a/$validate", _parameters(mode={"valueCode": self._pick("update", "delete", "x")})),
                ("POST", "Task/$claim", _parameters(wait={"valueInteger": 0}, **{k: {v: "x"} for k, v in worker.items()})),
                ("POST", f"Task/a/{self._pick('$heartbeat', '$progress', '$release')}", _parameters(worker={"valueString": "x"})),
                ("POST", "$reindex", _parameters()),
            )
        )  # fmt: skip
        return method, path, None if tree is None else self._bodies.of(tree)

    def _binary(self) -> tuple[str, str, Body | None]:
        content = self._random.randbytes(self._random.choice((0, 1, 10, 2000, 2_000_000)))
        body = self._bodies.packed(
            content, self._pick("image/png", "text/html", "x", "", "a/b\tc", "text/xml")
        )
        if self._random.random() < 0.5:
            return "GET", self._path("Binary", self._pick("a", "b")), None
        return (
            self._pick("POST", "PUT"),
            self._path("Binary", *self._random.choice(((), ("a",), ("b",)))),
            body,
        )

    def _any_url(self) -> str:
        return self._random.choice(
            (self._read, self._write_url, lambda: self._search()[1], lambda: self._operation()[1])
        )()

    def _anything(self) -> tuple[str, str, Body | None]:
        method = self._pick(
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "MKCOL"
        )
        return method, self._any_url(), self._bodies.nonsense()

    def _attempt(self, kind: str, method: str, url: str, body: Body | None) -> Attempt:
        is_http = True
        headers: list[tuple[str, str]] = [("Host", "127.0.0.1")]
        if (authorization := self._random.choice(AUTHORIZATIONS)) is not None:
            headers.append(("Authorization", authorization))
        names = self._random.sample(sorted(HEADERS), self._random.choice((0, 0, 0, 1, 1, 2, 4)))
        headers += [(name, self._pick(*HEADERS[name])) for name in names]
        content = b""
        if body is not None:
            content = body.content
            if body.content_type is not None:
                headers.append(("Content-Type", body.content_type))
            if body.encoding is not None:
                headers.append(("Content-Encoding", body.encoding))
            if self._random.random() < 0.1:
                headers.append(("Transfer-Encoding", "chunked"))
                content = self._chunked(content)
            elif self._random.random() < 0.01:
                is_http = False
                headers.append(
                    (
                        "Content-Length",
                        str(max(len(content) + self._random.choice((-5, 1, 100)), 0)),
                    )
                )
            else:
                headers.append(("Content-Length", str(len(content))))
        path = "/fhir" if not url else f"/fhir{'' if url.startswith('?') else '/'}{url}"
        raw_path = path.encode("utf-8", "replace")
        if any(byte <= 0x20 or byte >= 0x7F for byte in raw_path):
            is_http = False
        head = [f"{method} ".encode() + raw_path + b" HTTP/1.1"]
        head += [f"{name}: {value}".encode("utf-8", "replace") for name, value in headers]
        return Attempt(kind, method, b"\r\n".join([*head, b"", content]), is_http)

    def _chunked(self, content: bytes) -> bytes:
        parts, at = [], 0
        while at < len(content):
            size = self._random.randint(1, max(len(content) // 3, 1))
            chunk = content[at : at + size]
            parts.append(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            at += size
        return b"".join(parts) + b"0\r\n\r\n"

    def _no_http(self) -> Attempt:
        sent = self._random.choice(NO_HTTP)
        if self._random.random() < 0.3:
            at = self._random.randrange(len(sent) + 1)
            sent = sent[:at] + self._random.randbytes(2) + sent[at:]
        return Attempt("no HTTP", sent.split(b" ", 1)[0].decode("latin-1"), sent, is_http=False)


def _parameters(**values: dict[str, Any]) -> dict[str, Any]:
    parameter = [{"name": name, **value} for name, value in values.items()]
    return {"resourceType": "Parameters", **({"parameter": parameter} if parameter else {})}
