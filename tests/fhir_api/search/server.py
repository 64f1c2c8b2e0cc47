"""The FHIR API over a real store in this process: requests in, decoded answers out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fhir_api.access import Caller
from fhir_api.api import Api, ApiOptions
from fhir_api.http import Request, Response
from fhir_api.interactions.write import build_write, draft
from fhir_api.routes import handle
from fhir_api.validation import Validator
from store.interface import Commit
from store.sqlite import SqliteStore
from tests.fhir_api.search.spec_filter import BASE

OPERATOR = Caller("test", frozenset({"operator"}))


class Server:
    """One deployment; ``now_us`` is its clock, or the machine's where it is None."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.store = SqliteStore.open(folder)
        self.api = Api(self.store, Validator(), ApiOptions(**options))

    async def request(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        caller: Caller = OPERATOR,
        **headers: str,
    ) -> Response:
        """``url`` is below the base, or absolute as a link has it."""
        path, _, query = url.removeprefix(BASE).removeprefix("/").partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await handle(
            self.api,
            Request(
                method, tuple(path.split("/")) if path else (), query, named, body, caller, BASE
            ),
        )

    async def get(self, url: str, **headers: str) -> dict[str, Any]:
        """The Bundle of a search that succeeds."""
        response = await self.request("GET", url, **headers)
        assert response.status == 200, response.body
        return json.loads(response.body)

    async def refused(self, url: str, status: int = 400, **headers: str) -> dict[str, Any]:
        """The one issue of a search that is refused."""
        response = await self.request("GET", url, **headers)
        assert response.status == status, response.body
        (issue,) = json.loads(response.body)["issue"]
        return issue

    async def store_all(self, resources: Iterable[dict[str, Any]], size: int = 100) -> None:
        """Writes resources under their own ids, many in a commit, by the way that every write goes."""
        writes = []
        for resource in resources:
            type, id = resource["resourceType"], resource["id"]
            current = await self.store.read(type, id)
            made = draft(self.api, type, json.dumps(resource).encode())
            writes.append(
                await build_write(self.api, made, id, current, "PUT", by=OPERATOR, base_url=BASE)
            )
            if len(writes) == size:
                await self.store.commit(Commit(tuple(writes)))
                writes.clear()
        if writes:
            await self.store.commit(Commit(tuple(writes)))

    async def pages(self, url: str) -> list[dict[str, Any]]:
        """A search followed to its end."""
        found = [await self.get(url)]
        while (following := link(found[-1], "next")) is not None:
            found.append(await self.get(following))
        return found


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((row["url"] for row in bundle["link"] if row["relation"] == relation), None)


def ids(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    return [
        entry["resource"]["id"]
        for entry in bundle.get("entry", [])
        if entry["search"]["mode"] == mode
    ]
