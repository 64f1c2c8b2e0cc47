"""Value sets: include, exclude, filters and imports (https://hl7.org/fhir/R4/valueset.html#compositions)."""

from __future__ import annotations

from typing import Any

import pytest

from terminology.terminology import Terminology

ORGANS = "http://example.org/organs"
CODE_SYSTEM = {
    "resourceType": "CodeSystem",
    "url": ORGANS,
    "content": "complete",
    "concept": [
        {
            "code": "thorax",
            "concept": [
                {"code": "lung", "property": [{"code": "paired", "valueBoolean": True}]},
                {"code": "heart"},
            ],
        },
        {"code": "head"},
    ],
}
ALL = frozenset({"thorax", "lung", "heart", "head"})


def codes(compose: dict[str, Any], **others: dict[str, Any]) -> frozenset[str]:
    """The codes of a value set with this composition; ``others``: last part of the URL → composition."""
    return (
        _terminology(compose, **others)
        .contents("http://example.org/v")
        .codes.get(ORGANS, frozenset())
    )


def _terminology(compose: dict[str, Any], **others: dict[str, Any]) -> Terminology:
    resources: dict[tuple[str, str], dict[str, Any]] = {("CodeSystem", ORGANS): CODE_SYSTEM}
    for name, part in {"v": compose, **others}.items():
        resources["ValueSet", f"http://example.org/{name}"] = {"compose": part}
    return Terminology(lambda *key: resources.get(key))


def test_a_system_alone_is_all_of_its_codes() -> None:
    assert codes({"include": [{"system": ORGANS}]}) == ALL


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (("concept", "is-a", "thorax"), {"thorax", "lung", "heart"}),
        (("concept", "descendent-of", "thorax"), {"lung", "heart"}),
        (("concept", "is-not-a", "thorax"), {"head"}),
        (("concept", "generalizes", "lung"), {"lung", "thorax"}),
        (("paired", "=", "true"), {"lung"}),
        (("paired", "exists", "false"), {"thorax", "heart", "head"}),
        (("parent", "in", "thorax,head"), {"lung", "heart"}),
        (("parent", "not-in", "thorax"), {"thorax", "head"}),
    ],
)
def test_a_filter_keeps_the_codes_that_pass_it(
    filter: tuple[str, str, str], expected: set[str]
) -> None:
    """https://hl7.org/fhir/R4/valueset-filter-operator.html"""
    row = dict(zip(("property", "op", "value"), filter, strict=True))
    assert codes({"include": [{"system": ORGANS, "filter": [row]}]}) == expected


def test_an_unknown_filter_leaves_it_untold() -> None:
    row = {"property": "concept", "op": "regex", "value": "(a+)+"}
    found = _terminology({"include": [{"system": ORGANS, "filter": [row]}]})
    assert found.contains("http://example.org/v", ORGANS, "lung") is None
    assert found.contains("http://example.org/v", "http://example.org/x", "lung") is False


def test_includes_add_up_and_excludes_are_taken_away() -> None:
    both = [{"system": ORGANS, "concept": [{"code": c}]} for c in ("lung", "head")]
    assert codes({"include": both}) == {"lung", "head"}
    assert codes({"include": [{"system": ORGANS}], "exclude": both}) == {"thorax", "heart"}


def test_an_include_of_a_system_and_a_value_set_is_what_both_hold() -> None:
    some = {"include": [{"system": ORGANS, "concept": [{"code": "lung"}, {"code": "head"}]}]}
    below = {"property": "concept", "op": "is-a", "value": "thorax"}
    part = {"system": ORGANS, "filter": [below], "valueSet": ["http://example.org/some"]}
    assert codes({"include": [part]}, some=some) == {"lung"}


def test_value_sets_that_name_each_other_end_and_are_untold() -> None:
    back = {"include": [{"valueSet": ["http://example.org/v"]}]}
    found = _terminology({"include": [{"valueSet": ["http://example.org/back"]}]}, back=back)
    assert found.contains("http://example.org/v", ORGANS, "lung") is None


def test_a_value_set_that_is_not_what_its_type_says_is_untold() -> None:
    found = _terminology({"include": [{"system": ORGANS, "concept": [{"display": "no code"}]}]})
    assert found.contains("http://example.org/v", ORGANS, "lung") is None
