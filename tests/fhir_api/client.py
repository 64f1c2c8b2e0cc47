"""Requests to ``handle`` as a client writes them, and what came back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import unescape
from typing import Any

import orjson

from fhir_api.access import Caller
from fhir_api.api import Api
from fhir_api.formats.xml_reader import json_of
from fhir_api.http import Request, Response
from fhir_api.routes import handle

BASE = "http://fhir.test/fhir"
OPERATOR = Caller("operator", frozenset({"operator"}))
WORKER = Caller("worker", frozenset({"worker"}))


@dataclass(frozen=True)
class Reply:
    """An answer; every refusal has been seen to be an OperationOutcome with a code and a text."""

    response: Response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def body(self) -> bytes:
        return self.response.body

    @property
    def json(self) -> Any:
        return orjson.loads(self.response.body)

    @property
    def outcome(self) -> Any:
        """What a refusal says, in whichever format; a page for a person shows the JSON."""
        media_type = (self.header("content-type") or "").partition(";")[0]
        if media_type == "application/fhir+xml":
            return orjson.loads(json_of(self.body, 64))
        if media_type == "text/html":
            return orjson.loads(
                unescape(self.body.partition(b"<pre>")[2].partition(b"</pre>")[0].decode())
            )
        return self.json

    @property
    def etag(self) -> str | None:
        return self.response.header("etag")

    @property
    def id(self) -> str:
        return self.json["id"]

    @property
    def issue(self) -> dict[str, Any]:
        return self.json["issue"][0]

    @property
    def code(self) -> str:
        return self.issue["code"]

    def header(self, name: str) -> str | None:
        return self.response.header(name)


@dataclass(frozen=True)
class Client:
    api: Api
    caller: Caller = OPERATOR

    def calling_as(self, caller: Caller) -> Client:
        return replace(self, caller=caller)

    async def ask(self, method: str, url: str, body: Any = None, **headers: str) -> Reply:
        """``headers`` are named as Python can: ``if_match`` is If-Match."""
        path, _, query = url.partition("?")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        if body is not None:
            sent.setdefault("content-type", "application/fhir+json")
        request = Request(
            method=method,
            path=tuple(path.strip("/").split("/")) if path.strip("/") else (),
            query=query,
            headers=sent,
            body=data,
            caller=self.caller,
            base_url=BASE,
            id="test",
        )
        reply = Reply(await handle(self.api, request))
        if reply.status >= 400:
            assert reply.status != 500, reply.body
            outcome = reply.outcome
            assert outcome["resourceType"] == "OperationOutcome"
            assert all(
                issue["severity"]
                and issue["code"]
                and issue["details"]["text"]
                and (issue.get("expression") or issue.get("location"))
                for issue in outcome["issue"]
            )
        return reply

    async def get(self, url: str, **headers: str) -> Reply:
        return await self.ask("GET", url, **headers)

    async def post(self, url: str, body: Any, **headers: str) -> Reply:
        return await self.ask("POST", url, body, **headers)

    async def put(self, url: str, body: Any, **headers: str) -> Reply:
        return await self.ask("PUT", url, body, **headers)

    async def delete(self, url: str, **headers: str) -> Reply:
        return await self.ask("DELETE", url, **headers)

    async def transaction(self, *entries: dict[str, Any], **headers: str) -> Reply:
        return await self.post("", bundle("transaction", *entries), **headers)

    async def batch(self, *entries: dict[str, Any], **headers: str) -> Reply:
        return await self.post("", bundle("batch", *entries), **headers)

    async def count(self, type: str) -> int:
        return (await self.get(f"{type}?_summary=count")).json["total"]


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if entries:
        tree["entry"] = list(entries)
    return tree


def entry(
    method: str, url: str, resource: Any = None, full_url: str | None = None, **request: str
) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url is not None:
        made["fullUrl"] = full_url
    return made


def patient(value: str = "1", **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:test", "value": value}],
        **members,
    }


def observation(subject: str, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "pulse"},
        "subject": {"reference": subject},
        **members,
    }
