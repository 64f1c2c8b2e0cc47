"""Which parameters each type has (https://hl7.org/fhir/R4/searchparameter-registry.html)."""

from __future__ import annotations

import pytest

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.search.extractor import COLUMNS, INDEXERS, compile_extractor
from fhir_api.search.parameters import not_searchable, parameters_of
from fhir_api.search.paths import Node, tree_of

WITHOUT_MEANING = {
    ("date", "Age"),
    ("date", "Range"),
    ("date", "string"),
    ("quantity", "SampledData"),
    ("reference", "Attachment"),
    ("token", "dateTime"),
}
"""Pairs of parameter and element type that R4's expressions reach and that search gives no meaning to."""


def test_a_parameter_shared_by_types_has_the_part_of_its_expression_that_concerns_each() -> None:
    """https://hl7.org/fhir/R4/searchparameter-registry.html#clinical-date"""
    assert parameters_of("ImagingStudy")["patient"].expression == (
        "ImagingStudy.subject.where(resolve() is Patient)"
    )
    observation = parameters_of("Observation")["date"]
    assert (observation.type, observation.expression) == ("date", "Observation.effective")
    assert observation.url == "http://hl7.org/fhir/SearchParameter/clinical-date"


def test_every_type_has_the_parameters_of_all_resources() -> None:
    """https://hl7.org/fhir/R4/search.html#all"""
    common = {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"}
    for type_ in RESOURCE_TYPES:
        assert common <= parameters_of(type_).keys()


def test_what_cannot_be_searched_is_named_with_its_reason() -> None:
    assert "expression" in not_searchable("Patient")["age"]
    assert "special" in not_searchable("Location")["near"]
    assert not not_searchable("Observation").keys() & parameters_of("Observation").keys()


def test_an_unknown_type_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        parameters_of("Pacient")


@pytest.mark.parametrize("type_", sorted(RESOURCE_TYPES))
def test_every_parameter_compiles_and_indexes_something(type_: str) -> None:
    """A path that names no element raises; an element type that no indexer knows is one without meaning in search."""
    parameters = [p for p in parameters_of(type_).values() if p.code not in COLUMNS]
    compile_extractor(type_, parameters)
    indexed: set[str] = set()

    def visit(node: Node, inside_extension: bool) -> None:
        for use in node.uses:
            if (use.param_type, node.type) in INDEXERS:
                indexed.add(use.param)
            elif not inside_extension:  # an extension's value may be of any type
                assert (use.param_type, node.type) in WITHOUT_MEANING
        indexed.update(param for param, _ in node.presence)
        for param, parts in node.composites.items():
            assert all(indexes(part.root) for part in parts), param
            indexed.add(param)
        for child in node.children.values():
            visit(child, inside_extension or node.type == "Extension")

    visit(tree_of(type_, parameters), inside_extension=False)
    assert indexed == {p.code for p in parameters}


def indexes(node: Node) -> bool:
    """Whether some element below is one that an indexer knows."""
    return any((use.param_type, node.type) in INDEXERS for use in node.uses) or any(
        indexes(child) for child in node.children.values()
    )


def test_a_composite_of_all_elements_of_others_needs_no_entries() -> None:
    parameters = parameters_of("Observation")
    assert parameters["combo-code-value-quantity"].united == (
        "code-value-quantity",
        "component-code-value-quantity",
    )
    assert parameters["code-value-quantity"].united == ()


def test_a_parameter_of_all_elements_of_others_needs_no_entries() -> None:
    observation, patient = parameters_of("Observation"), parameters_of("Patient")
    assert observation["combo-code"].united == ("code", "component-code")
    assert observation["combo-value-quantity"].united == (
        "component-value-quantity",
        "value-quantity",
    )
    assert patient["phonetic"].united == ("name",)
    assert not any(p.united for p in (patient["name"], patient["given"], observation["code"]))
