"""Two servers that are the same to the last byte and microsecond, but that the second patient is in one of them only.

Whoever may not see that patient must get the same answers from both: status, headers and body. That says more than that
no answer names what is hidden; it holds for totals, cursors, ETags, the order of a sort and the words of a refusal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fhir_api.access import Caller
from fhir_api.api import Api, ApiOptions
from fhir_api.http import Response
from fhir_api.interactions import write
from fhir_api.validation import Validator
from store.sqlite import SqliteStore
from tests.adversary.records import MOVED, OTHERS, OWN, SHARED, placeholder
from tests.fhir_api.client import BASE, OPERATOR, Client

EPOCH_US = 1_767_225_600_000_000
"""2026-01-01."""


@dataclass
class Clock:
    """Stands still while a request runs."""

    requests: int = 0

    def __call__(self) -> int:
        return EPOCH_US + self.requests * 1_000_000


@dataclass
class World:
    api: Api
    clock: Clock

    async def ask(
        self, caller: Caller, method: str, url: str, body: Any, headers: dict[str, str]
    ) -> Response:
        """The answer to the next request; what is random about it is the same in each world."""
        self.clock.requests += 1
        write._random = _ids(self.clock.requests)
        reply = await Client(self.api, caller).ask(method, url, body, **headers)
        return reply.response

    async def put(self, resource: dict[str, Any]) -> None:
        url = f"{resource['resourceType']}/{resource['id']}"
        answer = await self.ask(OPERATOR, "PUT", url, resource, {})
        assert answer.status in {200, 201}, answer.body

    async def delete(self, url: str) -> None:
        assert (await self.ask(OPERATOR, "DELETE", url, None, {})).status == 204


def _ids(seed: int) -> Iterator[bytes]:
    random = Random(seed)
    while True:
        yield random.randbytes(10)


@dataclass
class Worlds:
    """``inhabited`` has the second patient; ``empty`` has in each place of that record something that nobody sees."""

    inhabited: World
    empty: World

    async def renew(self) -> None:
        """Puts the first patient's record back as it was in the beginning."""
        for resource in OWN:
            for world in (self.inhabited, self.empty):
                await world.put(resource)

    async def ask(
        self, caller: Caller, method: str, url: str, body: Any, headers: dict[str, str]
    ) -> tuple[Response, Response]:
        """Both answers."""
        one = await self.inhabited.ask(caller, method, url, body, headers)
        other = await self.empty.ask(caller, method, url, body, headers)
        return one, other


@asynccontextmanager
async def worlds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worlds]:
    """Both, with the first patient's record, what is everybody's, and in one of them the second patient's."""
    monkeypatch.setattr(write, "_random", _ids(0))
    validator = Validator()
    stores = [SqliteStore.open(folder / name) for name in ("inhabited", "empty")]
    made = []
    for store in stores:
        clock = Clock()
        options = ApiOptions(base_url=BASE, cursor_key=b"k" * 64)
        made.append(World(Api(store, validator, options, clock), clock))
    inhabited, empty = made
    for resource in [*SHARED, *OWN, MOVED]:
        for world in made:
            await world.put(resource)
    for number, resource in enumerate(OTHERS):
        await inhabited.put(resource)
        await empty.put(placeholder(number))
    # Some of it has a past: a second version, and one deletion.
    for number, resource in enumerate(OTHERS[:4]):
        await inhabited.put(resource | {"language": "de"})
        await empty.put(placeholder(number) | {"language": "de"})
    await inhabited.put(MOVED | {"subject": {"reference": "Patient/b"}})
    await empty.put(MOVED | {"subject": {"reference": "Patient/nobody"}})
    gone = next(one for one in OTHERS if one["id"] == "gone-b")
    await inhabited.delete(f"{gone['resourceType']}/{gone['id']}")
    await empty.delete(f"Basic/{placeholder(OTHERS.index(gone))['id']}")
    yield Worlds(inhabited, empty)
    await asyncio.gather(*(store.close() for store in stores))
