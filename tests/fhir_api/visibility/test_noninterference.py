"""Two servers that differ only in what an app may not see answer it alike, whatever it asks.

Not only contents: totals, cursors, ETags, refusals and the order of matches. Both get the same requests, writes too, of
a generator with a fixed seed; ids that the server chooses and sealed links are all that may differ.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from fhir_api.access import Caller
from fhir_api.api import Api, ApiOptions
from store.sqlite import SqliteStore
from tests.fhir_api.client import BASE, Client, Reply, bundle, entry, observation, patient
from tests.fhir_api.conftest import VALIDATOR
from tests.fhir_api.visibility.callers import app
from tests.fhir_api.visibility.ward import HIDDEN, SHOWN, fill, of, record

ATTEMPTS = 2500
NOW_US = 1_750_000_000_000_000
PATCH = "application/json-patch+json"

CALLERS = [
    app("patient/*.cruds"),
    app("patient/*.rs"),
    app("patient/*.read patient/*.write"),
    app("patient/Observation.cruds patient/Patient.rs patient/Binary.r patient/Media.rs"),
    app("patient/Observation.rs?status=final patient/Observation.cud patient/Task.cruds"),
    app("patient/*.r"),
    app("patient/*.s"),
    app("patient/*.cud"),
    app("user/*.cruds", "a", user="Patient/a"),
    app("patient/*.cruds user/Organization.rs user/Practitioner.rs", roles="clinician"),
]

HIDDEN_THERE = [*HIDDEN, "Observation/gone", "Observation/moved"]
TYPES = sorted({url.split("/")[0] for url in [*HIDDEN_THERE, *SHOWN]})

_CHOSEN = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_SEALED = re.compile(rb"(_page|_before)=[A-Za-z0-9_\-]+")


async def world(path: Path, *, others: bool) -> Client:
    api = Api(
        SqliteStore.open(path),
        VALIDATOR,
        ApiOptions(cursor_key=b"k" * 64, base_url=BASE),
        lambda: NOW_US,
    )
    client = await fill(Client(api), "a")
    moved = observation("Patient/a", id="moved", status="preliminary")
    assert (await client.put("Observation/moved", moved)).status == 201
    elsewhere = moved | {"subject": {"reference": "Patient/b" if others else "Patient/c"}}
    if others:
        for resource in record("b"):
            assert (
                await client.put(f"{resource['resourceType']}/{resource['id']}", resource)
            ).status == 201
        gone = observation("Patient/b", id="gone")
        assert (await client.put("Observation/gone", gone)).status == 201
        assert (await client.delete("Observation/gone")).status == 204
        for at in range(40):
            assert (
                await client.post("Observation", observation("Patient/b", status="final"))
            ).status == 201
            assert (
                at == 0
                or (
                    await client.put("Patient/b", patient("b", id="b", multipleBirthInteger=at))
                ).status
                == 200
            )
    assert (await client.put("Observation/moved", elsewhere)).status == 200
    return client


@pytest.fixture
async def worlds(tmp_path: Path) -> AsyncIterator[tuple[Client, Client]]:
    one = await world(tmp_path / "with", others=True)
    other = await world(tmp_path / "without", others=False)
    yield one, other
    await one.api.store.close()
    await other.api.store.close()


class Asking:
    """Requests as an app might try them."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def one(self) -> tuple[str, str, Any, dict[str, str]]:
        way = self._random.choice(
            [
                self._instance,
                self._search,
                self._search,
                self._write,
                self._write,
                self._bundle,
                self._system,
            ]
        )
        return way()

    def _url(self) -> str:
        return self._random.choice(
            [*HIDDEN_THERE, *HIDDEN_THERE, *SHOWN, "Observation/absent", "Patient/absent"]
        )

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {"accept": "application/fhir+json"}
        for name, values in {
            "if_none_match": ['W/"1"', "*", 'W/"7"'],
            "if_modified_since": ["Tue, 01 Jan 2030 00:00:00 GMT", "Tue, 01 Jan 2000 00:00:00 GMT"],
            "if_match": ['W/"1"', 'W/"2"', "*"],
            "prefer": [
                "return=representation",
                "handling=strict",
                "return=OperationOutcome",
            ],
        }.items():
            if self._random.random() < 0.2:
                headers[name] = self._random.choice(values)
        return headers

    def _instance(self) -> tuple[str, str, Any, dict[str, str]]:
        endings = [
            "",
            "",
            "/_history",
            "/_history?_count=1",
            "/_history?_since=2020",
            "/_history?_at=2030",
            "/_history/1",
            "/_history/2",
            "/$meta",
            "/_history/1/$meta",
            "/$validate",
            "/$validate?mode=delete",
            "/$everything",
            "/*",
            "/Observation",
            "/Observation?_summary=count",
            "?_elements=id",
            "?_summary=true",
        ]
        return (
            self._random.choice(["GET", "GET", "HEAD"]),
            self._url() + self._random.choice(endings),
            None,
            self._headers(),
        )

    def _value(self, name: str) -> str:
        url = self._url()
        by_name = {
            "identifier": ["urn:o|b", "urn:o|a", "urn:test|b", "urn:o|"],
            "family": ["Familyb", "Family", "Familya"],
            "_lastUpdated": ["gt2020", "lt2020"],
            "status": ["final", "preliminary", "available", "completed,draft"],
        }
        return self._random.choice(by_name.get(name, [url, url.split("/")[1]]))

    def _search(self) -> tuple[str, str, Any, dict[str, str]]:
        type = self._random.choice([*TYPES, "Observation", "Patient"])
        names = [
            "_id",
            "subject",
            "patient",
            "identifier",
            "family",
            "subject.identifier",
            "subject:Patient.family",
            "patient.family",
            "performer",
            "focus",
            "_lastUpdated",
            "status",
            "result",
            "result.identifier",
            "_list",
            "_has:Observation:subject:identifier",
            "_has:Observation:subject:_id",
            "_has:Task:patient:status",
            "_has:Group:member:_id",
            "_has:Patient:organization:family",
            "_has:DiagnosticReport:result:_id",
            "member",
            "organization",
            "subject:missing",
            "_id:not",
            "identifier:not",
            "based-on",
        ]
        pairs = [
            f"{name}={self._value(name)}"
            for name in self._random.sample(names, self._random.randint(0, 2))
        ]
        shapes = [
            "_sort=-_lastUpdated",
            "_sort=_id",
            "_sort=subject",
            "_count=1",
            "_count=0",
            "_total=accurate",
            "_summary=count",
            "_elements=id",
            "_include=Observation:subject",
            "_include=*",
            "_revinclude=*",
            "_revinclude=Observation:subject",
            "_revinclude:iterate=Task:focus",
            "_include=Task:focus",
            "_revinclude=Patient:organization",
            "_include:iterate=Patient:organization",
        ]
        pairs += self._random.sample(shapes, self._random.randint(0, 3))
        query = "&".join(pairs)
        if self._random.random() < 0.2:
            form = {"content_type": "application/x-www-form-urlencoded"}
            return "POST", f"{type}/_search", query.encode(), {**self._headers(), **form}
        return "GET", f"{type}?{query}", None, self._headers()

    def _resource(self, type: str, id: str | None) -> dict[str, Any]:
        subject = self._random.choice(
            [
                "Patient/a",
                "Patient/a",
                "Patient/b",
                "Patient/absent",
                "Patient?identifier=urn:test|b",
                "Patient?identifier=urn:test|absent",
            ]
        )
        about = {"reference": subject}
        link = {
            "contentType": "image/png",
            "url": self._random.choice(["Binary/bb", "Binary/absent", "Binary/ba"]),
        }
        made = {
            "Observation": observation(
                subject,
                derivedFrom=[
                    {"reference": self._random.choice(["Media/mb", "Media/absent", "Media/ma"])}
                ],
            ),
            "Patient": patient("new", link=[{"other": about, "type": "seealso"}]),
            "Media": of("Media", "x", subject, status="completed", content=link),
            "Task": of(
                "Task", "x", status="requested", intent="order", focus={"reference": self._url()}
            )
            | {"for": about},
            "Binary": of(
                "Binary",
                "x",
                contentType="image/png",
                data="AAAA",
                securityContext={"reference": self._url()},
            ),
            "DiagnosticReport": of(
                "DiagnosticReport",
                "x",
                subject,
                status="preliminary",
                code={"text": "x"},
                presentedForm=[link],
            ),
        }.get(type, of(type, "x", subject))
        made.pop("id", None)
        return made | ({"id": id} if id else {})

    def _write(self) -> tuple[str, str, Any, dict[str, str]]:
        url = self._url()
        type, id = url.split("/")
        headers = self._headers()
        criteria = self._random.choice(
            [
                "identifier=urn:o|b",
                "identifier=urn:o|a",
                "_id=ob",
                "subject=Patient/b",
                "status=final",
            ]
        )
        tag = {
            "resourceType": "Parameters",
            "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}],
        }
        test = b'[{"op":"test","path":"/status","value":"final"}]'
        add = b'[{"op":"add","path":"/language","value":"en"}]'
        conditional = {"if_none_exist": criteria} if self._random.random() < 0.5 else {}
        return self._random.choice(
            [
                ("PUT", url, self._resource(type, id), headers),
                (
                    "PUT",
                    f"{type}?{criteria}",
                    self._resource(type, self._random.choice([None, id])),
                    headers,
                ),
                ("POST", type, self._resource(type, None), headers | conditional),
                ("PATCH", url, self._random.choice([test, add]), headers | {"content_type": PATCH}),
                (
                    "PATCH",
                    f"{type}?{criteria}",
                    self._random.choice([test, add]),
                    headers | {"content_type": PATCH},
                ),
                ("DELETE", url, None, headers),
                ("DELETE", f"{type}?{criteria}", None, headers),
                ("POST", f"{url}/$meta-add", tag, headers),
                ("POST", f"{url}/$validate", None, headers),
            ]
        )

    def _bundle(self) -> tuple[str, str, Any, dict[str, str]]:
        entries = []
        for _ in range(self._random.randint(1, 3)):
            way = self._random.choice([self._instance, self._search, self._write, self._write])
            method, url, body, headers = way()
            if isinstance(body, bytes) or "_search" in url or "$" in url:
                continue
            conditions = {
                "ifMatch": headers.get("if_match"),
                "ifNoneExist": headers.get("if_none_exist"),
            }
            entries.append(entry(method, url, body, **{k: v for k, v in conditions.items() if v}))
        kind = self._random.choice(["batch", "transaction"])
        return "POST", "", bundle(kind, *entries), self._headers()

    def _system(self) -> tuple[str, str, Any, dict[str, str]]:
        urls = [
            "_history",
            "_history?_count=2",
            "Observation/_history?_count=1",
            "Patient/_history",
            "?_lastUpdated=gt2020",
            "?_type=Observation,Patient&_total=accurate",
            "$meta",
            "Observation/$meta",
            "Organization/$meta",
            "Patient/$everything",
            "?_type=Group",
            "AuditEvent",
            "_async/x",
        ]
        return "GET", self._random.choice(urls), None, self._headers()


def shown(reply: Reply) -> tuple[Any, ...]:
    headers = sorted(
        (k.lower(), _SEALED.sub(rb"\1", _CHOSEN.sub(b"ID", v.encode())))
        for k, v in reply.response.headers
    )
    # The digest of a page is one of the ids and links in it, too.
    kept = [pair for pair in headers if pair[0] != "etag" or len(pair[1]) < 12]
    return reply.status, kept, _SEALED.sub(rb"\1", _CHOSEN.sub(b"ID", reply.body))


async def followed(client: Client, reply: Reply) -> Reply | None:
    """The page after the one that is shown."""
    if not reply.body.startswith(b'{"resourceType":"Bundle"'):
        return None
    links = {link["relation"]: link["url"] for link in orjson.loads(reply.body).get("link", [])}
    return await client.get(links["next"].removeprefix(f"{BASE}/")) if "next" in links else None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
async def test_what_is_hidden_changes_no_answer(worlds: tuple[Client, Client], seed: int) -> None:
    random = Random(seed)
    asking, statuses = Asking(random), Counter[int]()
    for attempt in range(ATTEMPTS // 2):
        caller: Caller = random.choice(CALLERS)
        method, url, body, headers = asking.one()
        one, other = [client.calling_as(caller) for client in worlds]
        replies = [await client.ask(method, url, body, **headers) for client in (one, other)]
        assert shown(replies[0]) == shown(replies[1]), (
            attempt,
            caller.scopes,
            method,
            url,
            body,
            headers,
        )
        statuses[replies[0].status] += 1
        after = [
            await followed(client, reply)
            for client, reply in zip((one, other), replies, strict=True)
        ]
        if after[0] and after[1]:
            assert shown(after[0]) == shown(after[1]), (attempt, "next of", url)
    assert statuses[200] > ATTEMPTS / 10
    assert len(statuses) > 6
