"""Search through index, SQL and pages finds what a plain filter in memory finds, in the same order, while others write.

https://hl7.org/fhir/R4/search.html; the filter is ``spec_filter.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fhir_api.search import spec_filter
from tests.fhir_api.search.random_resources import (
    STORED_IDS,
    Maker,
    criteria,
    includes,
    searches,
)
from tests.fhir_api.search.server import Server, link
from tests.fhir_api.search.spec_filter import COMPARTMENT, PARAMETERS, Resource, World

EACH = 60
SEED = 20261123
OTHERS = "other"
"""Ids of what others write begin so; the filter does not know of them, and nothing it knows refers to them."""

Pairs = list[tuple[str, str]]


class Data:
    """A server, the resources that stay in it, by type in the order of creation, and others that come and go."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        maker = Maker(SEED)
        self.world: World = {
            type: {f"r{number}": maker.resource(type, f"r{number}") for number in range(EACH)}
            for type in PARAMETERS
        }
        of_types = [of.values() for of in self.world.values()]
        self.created = [resource for row in zip(*of_types, strict=True) for resource in row]
        self._maker = Maker(SEED + 1)
        self.runner.run(self._open(folder))

    async def _open(self, folder: Path) -> None:
        self.server = Server(folder, include_limit=5_000, page_limit=5_000)
        await self.server.store_all(self.created)

    async def _close(self) -> None:
        await self.server.store.close()

    def created_of(self, *types: str) -> list[Resource]:
        return [r for r in self.created if r["resourceType"] in types]

    def pages(self, url: str) -> list[dict[str, Any]]:
        """A search followed to its end, while others write."""
        return self.runner.run(self._pages(url))

    async def _pages(self, url: str) -> list[dict[str, Any]]:
        found = []
        following: str | None = url
        writing = asyncio.create_task(self._others_write())
        while following is not None:
            found.append(await self.server.get(following))
            following = link(found[-1], "next")
            await asyncio.sleep(0)  # a read alone leaves the others no turn
            if writing.done():
                writing = asyncio.create_task(self._others_write())
        await writing
        return found

    async def _others_write(self) -> None:
        random = self._maker.random
        type, id = random.choice(sorted(PARAMETERS)), f"{OTHERS}{random.randrange(9)}"
        if random.random() < 0.3:
            await self.server.request("DELETE", f"{type}/{id}")
        else:
            await self.server.store_all([apart(self._maker.resource(type, id))])


def apart(resource: Any) -> Any:
    """What others write, without references to what stays."""
    if isinstance(resource, dict):
        return {
            name: f"{str(value).rpartition('/')[0] or 'Group'}/{OTHERS}1"
            if name == "reference"
            else apart(value)
            for name, value in resource.items()
        }
    return [apart(item) for item in resource] if isinstance(resource, list) else resource


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    data = Data(tmp_path_factory.mktemp("store"))
    yield data
    data.runner.run(data._close())
    data.runner.close()


def url_of(place: str, pairs: Pairs) -> str:
    return f"{place}?" + "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in pairs)


def named(bundle: dict[str, Any], mode: str = "match") -> list[tuple[str, str]]:
    """Type and id of the entries, without what others wrote."""
    keys = [
        (entry["resource"]["resourceType"], entry["resource"]["id"])
        for entry in bundle.get("entry", [])
        if entry["search"]["mode"] == mode
    ]
    return [(type, id) for type, id in keys if not id.startswith(OTHERS)]


def keys_of(resources: list[Resource]) -> list[tuple[str, str]]:
    return [(r["resourceType"], r["id"]) for r in resources]


examples = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(search=searches())
@settings(examples, max_examples=600)
def test_any_search_finds_in_pages_what_the_specification_says(data: Data, search):
    type, asked, sort, count = search
    now = datetime.now(UTC)
    pages = data.pages(
        url_of(type, [*asked, ("_count", str(count)), *([("_sort", sort)] if sort else [])])
    )
    found = [key for page in pages for key in named(page)]
    assert found == keys_of(spec_filter.search(data.created_of(type), asked, sort, now, data.world))


@given(search=searches())
@settings(examples, max_examples=100)
def test_any_total_is_how_many_the_specification_says(data: Data, search):
    type, asked, _, _ = search
    known = ("_id:not", ",".join(f"{OTHERS}{number}" for number in range(9)))
    found = spec_filter.search(data.created_of(type), asked, "", datetime.now(UTC), data.world)
    for shape in (("_summary", "count"), ("_count", "0"), ("_total", "accurate")):
        bundle = data.runner.run(data.server.get(url_of(type, [*asked, known, shape])))
        assert bundle["total"] == len(found)


@given(data=st.data(), type=st.sampled_from(sorted(PARAMETERS)), count=st.integers(1, 9))
@settings(examples, max_examples=300)
def test_any_include_adds_to_each_page_what_the_specification_says(
    request: pytest.FixtureRequest, data: st.DataObject, type: str, count: int
):
    stored: Data = request.getfixturevalue("data")
    asked = data.draw(st.lists(criteria(type, steps=1), max_size=1))
    wanted = data.draw(includes(type))
    for page in stored.pages(url_of(type, [*asked, ("_count", str(count)), *wanted])):
        matches = [r for r in stored.created if (r["resourceType"], r["id"]) in named(page)]
        added = named(page, "include")
        assert len(added) == len(set(added))
        assert set(added) == spec_filter.included(matches, wanted, stored.world)


@given(
    data=st.data(),
    patient=st.sampled_from(STORED_IDS),
    type=st.sampled_from([*COMPARTMENT, "*"]),
    count=st.integers(1, 20),
)
@settings(examples, max_examples=150)
def test_any_compartment_holds_what_the_specification_says(
    request: pytest.FixtureRequest, data: st.DataObject, patient: str, type: str, count: int
):
    stored: Data = request.getfixturevalue("data")
    asked = data.draw(st.lists(criteria(type), max_size=1)) if type != "*" else []
    sort = data.draw(st.sampled_from(["", "_id", "-_id"]))
    place = f"Patient/{patient}/{type}"
    pairs = [*asked, ("_count", str(count)), *([("_sort", sort)] if sort else [])]
    found = [key for page in stored.pages(url_of(place, pairs)) for key in named(page)]
    members = [
        r
        for r in stored.created
        if type in ("*", r["resourceType"]) and spec_filter.is_member(r, patient, stored.world)
    ]
    now = datetime.now(UTC)
    assert found == keys_of(spec_filter.search(members, asked, sort, now, stored.world))


@given(
    types=st.lists(st.sampled_from(sorted(PARAMETERS)), min_size=1, max_size=3, unique=True),
    sort=st.sampled_from(["", "_id", "-_id", "_profile", "-_tag,_source"]),
    count=st.integers(1, 40),
    tag=st.booleans(),
)
@settings(examples, max_examples=100)
def test_any_search_of_several_types_finds_what_the_specification_says(
    data: Data, types: list[str], sort: str, count: int, tag: bool
):
    asked = [("_tag", "x,X")] if tag else []
    pairs = [("_type", ",".join(types)), *asked, ("_count", str(count))]
    pages = data.pages(url_of("", [*pairs, *([("_sort", sort)] if sort else [])]))
    found = [key for page in pages for key in named(page)]
    now = datetime.now(UTC)
    assert found == keys_of(
        spec_filter.search(data.created_of(*types), asked, sort, now, data.world)
    )
