"""No row is lost or doubled between pages while others write (store/query.py's promise, seen through links)."""

from __future__ import annotations

import asyncio
from itertools import zip_longest

import pytest

from tests.fhir_api.search.random_resources import Maker
from tests.fhir_api.search.server import Server, ids, link
from tests.fhir_api.search.spec_filter import sort_value

STEADY = 60
WRITES = 60


@pytest.mark.parametrize(
    "sort",
    [
        "",
        "_id",
        "-_id",
        "_lastUpdated",
        "birthdate",
        "-birthdate",
        "family,-given",
        "-identifier,gender",
    ],
)
async def test_rows_that_nobody_touches_come_once_and_in_order_whatever_others_write(
    server: Server, sort: str
):
    maker = Maker(7)
    steady = [maker.resource("Patient", f"steady-{n:02d}") for n in range(STEADY)]
    moving = [f"moving-{n}" for n in range(30)]
    await server.store_all(
        resource
        for pair in zip_longest(steady, [maker.resource("Patient", id) for id in moving])
        for resource in pair
        if resource is not None
    )

    async def others(part: str) -> None:
        for number in range(WRITES):
            id = maker.pick(moving)
            if maker.random.random() < 0.3:
                await server.request("DELETE", f"Patient/{id}")
            else:
                await server.store_all([maker.resource("Patient", id)])
            await server.store_all([maker.resource("Patient", f"new-{part}-{number}")])

    in_order = steady if sort == "_lastUpdated" else ordered(steady, sort)
    for count in (1, 7):
        writer = asyncio.create_task(others(str(count)))
        found: list[str] = []
        url: str | None = f"Patient?_count={count}" + (f"&_sort={sort}" if sort else "")
        while url is not None:
            page = await server.get(url)
            found += [id for id in ids(page) if id.startswith("steady")]
            url = link(page, "next")
            # A read alone leaves the others no turn.
            await asyncio.sleep(0)
        await writer
        assert found == [resource["id"] for resource in in_order]


def ordered(resources: list[dict[str, object]], sort: str) -> list[dict[str, object]]:
    for rule in reversed([rule for rule in sort.split(",") if rule]):
        descending, code = rule.startswith("-"), rule.removeprefix("-")
        keys = {str(r["id"]): sort_value(r, code, descending=descending) for r in resources}
        with_key = [r for r in resources if keys[str(r["id"])] is not None]
        with_key.sort(key=lambda r: keys[str(r["id"])], reverse=descending)
        resources = with_key + [r for r in resources if keys[str(r["id"])] is None]
    return resources
