"""The element tables say what R4 says (https://hl7.org/fhir/R4/patient.html and its like)."""

from __future__ import annotations

from fhir_api.definitions.compartments import COMPARTMENTS, SELF
from fhir_api.definitions.elements import PRIMITIVES, RESOURCE_TYPES, TYPES, properties_of
from fhir_api.search.parameters import parameters_of


def test_r4_has_146_concrete_resource_types() -> None:
    assert len(RESOURCE_TYPES) == 146
    assert {"Patient", "Task", "ImagingStudy", "Binary", "Parameters"} <= RESOURCE_TYPES
    assert not {"Resource", "DomainResource", "Element", "HumanName"} & RESOURCE_TYPES


def test_cardinality_and_binding_are_those_of_the_definition() -> None:
    status = TYPES["Task"].elements["status"]
    assert (status.min, status.max, status.types) == (1, 1, ("code",))
    assert status.codes == "http://hl7.org/fhir/ValueSet/task-status"
    assert TYPES["Patient"].elements["name"].repeats
    assert TYPES["Observation"].elements["device"].targets == ("Device", "DeviceMetric")


def test_a_choice_is_one_property_for_each_of_its_types() -> None:
    members = properties_of("Observation")
    assert members["valueQuantity"].type == "Quantity"
    assert members["valueQuantity"].element_name == "value[x]"
    assert "value[x]" not in members
    assert "valueAddress" not in members


def test_a_content_reference_leads_to_the_element_it_names() -> None:
    assert (
        properties_of("Observation.component")["referenceRange"].type
        == "Observation.referenceRange"
    )
    assert properties_of("Questionnaire.item")["item"].type == "Questionnaire.item"


def test_every_type_that_an_element_names_exists() -> None:
    for table in TYPES.values():
        for element in table.elements.values():
            assert element.types
            assert all(type_ in TYPES or type_ in PRIMITIVES for type_ in element.types)
            assert all(target in TYPES for target in element.targets)


def test_every_compartment_parameter_can_be_searched() -> None:
    """https://hl7.org/fhir/R4/compartmentdefinition-patient.html"""
    assert COMPARTMENTS["Patient"]["Observation"] == ("subject", "performer")
    assert "Task" not in COMPARTMENTS["Patient"]
    for compartment, types in COMPARTMENTS.items():
        for type_, codes in types.items():
            for code in codes:
                assert code == SELF or code in parameters_of(type_), (compartment, type_, code)
