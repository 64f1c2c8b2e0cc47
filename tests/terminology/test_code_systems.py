"""Code systems (https://hl7.org/fhir/R4/codesystem.html)."""

from __future__ import annotations

from typing import Any

from terminology.code_systems import read_code_system

NESTED: dict[str, Any] = {
    "url": "http://example.org/organs",
    "content": "complete",
    "caseSensitive": True,
    "concept": [
        {
            "code": "thorax",
            "display": "Thorax",
            "concept": [{"code": "lung", "concept": [{"code": "lobe"}]}, {"code": "heart"}],
        },
        {"code": "head"},
    ],
}


def test_a_code_is_below_those_that_it_stands_in() -> None:
    system = read_code_system(NESTED)
    assert system.below("thorax") == {"thorax", "lung", "lobe", "heart"}
    assert system.above("lobe") == {"lobe", "lung", "thorax"}
    assert system.below("liver") == frozenset()


def test_a_flat_list_tells_its_hierarchy_by_properties() -> None:
    """https://hl7.org/fhir/R4/codesystem-concept-properties.html"""
    flat = {
        "url": "http://example.org/flat",
        "content": "complete",
        "concept": [
            {"code": "a", "property": [{"code": "child", "valueCode": "b"}]},
            {"code": "b"},
            {"code": "c", "property": [{"code": "parent", "valueCode": "b"}]},
            {"code": "d", "property": [{"code": "subsumedBy", "valueCode": "c"}]},
        ],
    }
    assert read_code_system(flat).below("a") == {"a", "b", "c", "d"}


def test_codes_that_subsume_each_other_end_the_walk() -> None:
    circle = {
        "url": "http://example.org/circle",
        "content": "complete",
        "concept": [
            {"code": "a", "property": [{"code": "parent", "valueCode": "b"}]},
            {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]},
        ],
    }
    assert read_code_system(circle).below("a") == {"a", "b"}


def test_case_counts_only_where_the_system_says_so() -> None:
    assert read_code_system(NESTED).find("Thorax") is None
    system = read_code_system({**NESTED, "caseSensitive": False})
    found = system.find("THORAX")
    assert found is not None
    assert found.display == "Thorax"
    assert system.codes == {"thorax", "lung", "lobe", "heart", "head"}
