"""Search through index, SQL and pages finds what a plain filter in memory finds, in the same order.

https://hl7.org/fhir/R4/search.html; the filter is ``spec_filter.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fhir_api.search import spec_filter
from tests.fhir_api.search.random_resources import Maker, searches
from tests.fhir_api.search.server import Server, ids
from tests.fhir_api.search.spec_filter import PARAMETERS, Resource

EACH = 60
SEED = 20261123


class Data:
    """A server and the resources in it, by type in the order of creation."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        maker = Maker(SEED)
        self.resources: dict[str, list[Resource]] = {
            type: [maker.resource(type, f"r{number}") for number in range(EACH)]
            for type in PARAMETERS
        }
        self.runner.run(self._open(folder))

    async def _open(self, folder: Path) -> None:
        self.server = Server(folder)
        for resources in self.resources.values():
            await self.server.store_all(resources)

    async def _close(self) -> None:
        await self.server.store.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    data = Data(tmp_path_factory.mktemp("store"))
    yield data
    data.runner.run(data._close())
    data.runner.close()


@given(search=searches())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_search_finds_in_pages_what_the_specification_says(data, search):
    type, criteria, sort, count = search
    pairs = [*criteria, ("_count", str(count)), *([("_sort", sort)] if sort else [])]
    url = f"{type}?" + "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in pairs)
    now = datetime.now(UTC)
    pages = data.runner.run(data.server.pages(url))
    found = [id for page in pages for id in ids(page)]
    assert found == spec_filter.search(data.resources[type], criteria, sort, now)
    assert all(len(ids(page)) == count for page in pages[:-1])


@given(search=searches())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_total_is_how_many_the_specification_says(data, search):
    type, criteria, _, _ = search
    query = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in criteria)
    expected = len(spec_filter.search(data.resources[type], criteria, "", datetime.now(UTC)))
    for shape in ("_summary=count", "_count=0", "_total=accurate&_count=1"):
        bundle = data.runner.run(data.server.get(f"{type}?{query}&{shape}"))
        assert bundle["total"] == expected
        assert len(ids(bundle)) == (min(1, expected) if "_total" in shape else 0)
