"""Parameters that are others together: ``combo-code`` is ``code`` and ``component-code``, ``phonetic`` is ``name``.

https://hl7.org/fhir/R4/observation.html#search
"""

from __future__ import annotations

import pytest

from tests.fhir_api.search.server import Server, ids
from tests.fhir_api.search.test_searchset import observation

UCUM = "http://unitsofmeasure.org"


def concept(code: str, display: str) -> dict[str, object]:
    return {"coding": [{"system": "urn:codes", "code": code, "display": display}]}


def quantity(value: float) -> dict[str, object]:
    return {"value": value, "unit": "mm", "system": UCUM, "code": "mm"}


@pytest.fixture
async def measured(server: Server) -> Server:
    whole = observation("whole", code=concept("size", "Size"), valueQuantity=quantity(5))
    absent = observation("absent", code=concept("size", "Size"))
    parts = [{"code": concept("depth", "Depth"), "valueQuantity": quantity(50)}]
    parted = observation("parted", code=concept("lesion", "Lesion"), component=parts)
    await server.store_all([whole, absent, parted])
    return server


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("combo-code=size", ["whole", "absent"]),
        ("combo-code=urn:codes|depth", ["parted"]),
        ("combo-code=size,depth", ["whole", "absent", "parted"]),
        ("combo-code=depth&combo-code=lesion", ["parted"]),
        ("combo-code:not=depth", ["whole", "absent"]),
        ("combo-code:not=size,depth", []),
        ("combo-code:text=dep", ["parted"]),
        ("combo-value-quantity=gt4", ["whole", "parted"]),
        ("combo-value-quantity=5|http://unitsofmeasure.org|cm", ["parted"]),
        ("combo-value-quantity:missing=true", ["absent"]),
        ("combo-value-quantity:missing=false", ["whole", "parted"]),
        ("combo-code-value-quantity:missing=true", ["absent"]),
        ("combo-code=size&_sort=-_lastUpdated", ["absent", "whole"]),
    ],
)
async def test_it_finds_what_any_of_them_finds(
    measured: Server, query: str, found: list[str]
) -> None:
    assert ids(await measured.get(f"Observation?{query}")) == found
    assert (await measured.get(f"Observation?{query}&_summary=count"))["total"] == len(found)


async def test_one_that_is_another_sorts_as_that_one(server: Server) -> None:
    names = {"a": "Zoe", "b": "Anna"}
    await server.store_all(
        [
            {"resourceType": "Patient", "id": id, "name": [{"family": name}]}
            for id, name in names.items()
        ]
    )
    assert ids(await server.get("Patient?phonetic=z")) == ["a"]
    assert ids(await server.get("Patient?_sort=phonetic")) == ["b", "a"]


async def test_several_together_have_no_order(measured: Server) -> None:
    issue = await measured.refused("Observation?_sort=combo-code")
    assert issue["code"] == "not-supported"
