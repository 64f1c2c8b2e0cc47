"""https://hl7.org/fhir/R4/search.html#composite"""

from __future__ import annotations

import pytest

from fhir_api.search.extract import entries_of
from fhir_api.search.index_values import MOST_COMBINATIONS
from store.entries import CompositeEntry
from tests.fhir_api.search.server import BASE, Server, ids
from tests.fhir_api.search.test_searchset import observation

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def coding(code: str, system: str = LOINC) -> dict[str, object]:
    return {"coding": [{"system": system, "code": code}]}


def millimetres(value: float) -> dict[str, object]:
    return {"value": value, "unit": "mm", "system": UCUM, "code": "mm"}


@pytest.fixture
async def measured(server: Server) -> Server:
    pressure = [
        {"code": coding("systolic"), "valueQuantity": millimetres(120)},
        {"code": coding("diastolic"), "valueQuantity": millimetres(80)},
    ]
    await server.store_all(
        [
            observation("small", code=coding("size"), valueQuantity=millimetres(5)),
            observation("large", code=coding("size"), valueQuantity=millimetres(50)),
            observation("other", code=coding("depth"), valueQuantity=millimetres(50)),
            observation("pressure", code=coding("pressure"), component=pressure),
            observation("named", code=coding("name"), valueString="Müller, Jan"),
            observation("coded", code=coding("kind"), valueCodeableConcept=coding("x$y")),
            observation("timed", code=coding("when"), valueDateTime="2020-02-29"),
        ]
    )
    return server


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("code-value-quantity=size$gt10", ["large"]),
        ("code-value-quantity=size$5", ["small"]),
        (f"code-value-quantity={LOINC}|size$5|{UCUM}|mm", ["small"]),
        (f"code-value-quantity={LOINC}|size$0.5|{UCUM}|cm", ["small"]),
        ("code-value-quantity=size$5||mm", ["small"]),
        ("code-value-quantity=size$0.005", []),
        ("code-value-quantity=http://else.org|size$5", []),
        ("code-value-quantity=size$5,depth$50", ["small", "other"]),
        ("component-code-value-quantity=systolic$120", ["pressure"]),
        ("component-code-value-quantity=systolic$80", []),
        ("component-code-value-quantity=systolic$gt100", ["pressure"]),
        ("combo-code-value-quantity=systolic$120", ["pressure"]),
        ("combo-code-value-quantity=size$lt10", ["small"]),
        ("combo-code-value-quantity=systolic$120,size$5", ["small", "pressure"]),
        ("code-value-string=name$muller", ["named"]),
        ("code-value-string=name$muller\\, j", ["named"]),
        ("code-value-concept=kind$x\\$y", ["coded"]),
        ("combo-code-value-concept=kind$x\\$y", ["coded"]),
        ("code-value-date=when$ge2020-02", ["timed"]),
        ("code-value-date=when$2019", []),
        ("code-value-quantity:missing=false", ["small", "large", "other"]),
        ("combo-code-value-quantity:missing=false", ["small", "large", "other", "pressure"]),
    ],
)
async def test_all_parts_of_a_composite_hold_in_one_element(
    measured: Server, query: str, found: list[str]
):
    assert ids(await measured.get(f"Observation?{query}")) == found
    assert (await measured.get(f"Observation?{query}&_summary=count"))["total"] == len(found)


async def test_a_composite_may_stand_at_the_end_of_a_chain(measured: Server):
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "code": {"text": "report"},
        "result": [{"reference": "Observation/large"}],
    }
    await measured.store_all([report])
    query = "DiagnosticReport?result.code-value-quantity=size$gt"
    assert ids(await measured.get(f"{query}10")) == ["r"]
    assert ids(await measured.get(f"{query}60")) == []


@pytest.mark.parametrize(
    "query",
    [
        "code-value-quantity=size",
        "code-value-quantity=size$",
        "code-value-quantity=$5",
        "code-value-quantity=size$5$6",
        "code-value-quantity=size$many",
        "code-value-quantity=size\\$5",
    ],
)
async def test_a_composite_without_all_its_parts_is_refused(server: Server, query: str):
    issue = await server.refused(f"Observation?{query}")
    assert (issue["code"], issue["location"]) == ("invalid", ["http.code-value-quantity"])


async def test_nothing_is_sorted_by_a_composite_and_it_has_no_modifiers(server: Server):
    for query in ("_sort=code-value-quantity", "code-value-quantity:not=size$5"):
        assert (await server.refused(f"Observation?{query}"))["code"] == "not-supported"


def test_the_parts_of_a_variant_are_a_chromosome_and_two_numbers():
    """https://hl7.org/fhir/R4/molecularsequence.html#search: one part stands elsewhere in the resource."""
    sequence = {
        "referenceSeq": {"chromosome": coding("7")},
        "variant": [{"start": 5, "end": 6}, {"start": 8}],
    }
    found = [
        e for e in entries_of("MolecularSequence", sequence, BASE) if e.param.startswith("chr")
    ]
    (composite,) = [entry for entry in found if isinstance(entry, CompositeEntry)]
    assert composite.param == "chromosome-variant-coordinate"
    assert [getattr(part, "code", None) or part.low for part in composite.parts] == ["7", 5, 6]


async def test_a_chromosome_window_is_found_by_all_three(server: Server):
    sequence = {
        "resourceType": "MolecularSequence",
        "id": "s",
        "coordinateSystem": 0,
        "referenceSeq": {
            "chromosome": coding("7"),
            "genomeBuild": "GRCh 37",
            "strand": "watson",
            "windowStart": 5,
            "windowEnd": 9,
        },
    }
    await server.store_all([sequence])
    query = "MolecularSequence?chromosome-window-coordinate="
    assert ids(await server.get(f"{query}7$le6$ge8")) == ["s"]
    assert ids(await server.get(f"{query}7$le6$ge10")) == []


def test_a_documents_relation_is_a_code_and_a_target():
    document = {"relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/1"}}]}
    (composite,) = [
        e for e in entries_of("DocumentReference", document, BASE) if isinstance(e, CompositeEntry)
    ]
    assert (composite.parts[0].code, composite.parts[1].target_id) == ("replaces", "1")


def test_an_element_makes_no_more_combinations_than_the_limit():
    many = {"coding": [{"code": str(n)} for n in range(2 * MOST_COMBINATIONS)]}
    made = entries_of("Observation", {"code": many, "valueCodeableConcept": many}, BASE)
    assert sum(isinstance(entry, CompositeEntry) for entry in made) == MOST_COMBINATIONS
