"""Number and quantity entries (https://hl7.org/fhir/R4/search.html#number, #quantity)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fhir_api.search.extract import entries_of
from store.entries import NumberEntry, QuantityEntry

BASE = "https://our.example/fhir"
UCUM = "http://unitsofmeasure.org"


def values(resource: dict[str, Any], param: str) -> list[QuantityEntry | NumberEntry]:
    found = entries_of(resource["resourceType"], resource, BASE)
    return [e for e in found if isinstance(e, QuantityEntry | NumberEntry) and e.param == param]


def observation(**value: object) -> dict[str, Any]:
    return {"resourceType": "Observation", **value}


def test_a_quantity_has_its_value_and_its_unit_three_ways() -> None:
    quantity = {"value": 5.4, "unit": "mg", "system": UCUM, "code": "mg"}
    expected = QuantityEntry("value-quantity", 5.4, 5.4, UCUM, "mg", "mg")
    assert values(observation(valueQuantity=quantity), "value-quantity") == [expected]


def test_a_quantity_in_ucum_is_indexed_in_base_units_too() -> None:
    """https://hl7.org/fhir/R4/search.html#quantity: the search processes units by their canonical form."""
    quantity = {"value": 5.4, "system": UCUM, "code": "mg/dL"}
    (base,) = values(observation(valueQuantity=quantity), "value-quantity:canonical")
    assert base == QuantityEntry("value-quantity:canonical", 54, 54, None, "g.m-3")


@pytest.mark.parametrize(
    "unit", [{"code": "mg"}, {"unit": "mg"}, {"system": UCUM, "code": "mgs"}, {"system": UCUM}]
)
def test_a_unit_that_is_not_of_ucum_is_indexed_as_it_was_sent_alone(unit: dict[str, str]) -> None:
    resource = observation(valueQuantity={"value": 5.4, **unit})
    assert len(values(resource, "value-quantity")) == 1
    assert values(resource, "value-quantity:canonical") == []


def test_an_open_range_stays_open_in_base_units() -> None:
    quantity = {"value": 2, "comparator": ">", "system": UCUM, "code": "km"}
    (base,) = values(observation(valueQuantity=quantity), "value-quantity:canonical")
    assert (base.low, base.high) == (2000, math.inf)


def test_an_amount_that_no_double_holds_in_base_units_is_found_as_it_was_sent() -> None:
    quantity = {"value": 1e300, "system": UCUM, "code": "Ym"}
    assert len(values(observation(valueQuantity=quantity), "value-quantity")) == 1
    assert values(observation(valueQuantity=quantity), "value-quantity:canonical") == []


def test_a_quantity_with_a_comparator_is_the_range_it_leaves_open() -> None:
    below = observation(valueQuantity={"value": 5, "comparator": "<"})
    above = observation(valueQuantity={"value": 5, "comparator": ">="})
    (less,), (more,) = values(below, "value-quantity"), values(above, "value-quantity")
    assert (less.low, less.high) == (-math.inf, 5)
    assert (more.low, more.high) == (5, math.inf)


def test_a_range_goes_from_its_low_to_its_high_and_is_open_where_one_is_missing() -> None:
    age = {"low": {"value": 10, "unit": "a"}, "high": {"value": 12, "unit": "a"}}
    (closed,) = values({"resourceType": "Condition", "onsetRange": age}, "onset-age")
    (open_,) = values(
        {"resourceType": "Condition", "onsetRange": {"high": {"value": 12}}}, "onset-age"
    )
    assert closed == QuantityEntry("onset-age", 10, 12, None, None, "a")
    assert (open_.low, open_.high) == (-math.inf, 12)


def test_money_is_a_quantity_in_its_currency() -> None:
    invoice = {"resourceType": "Invoice", "totalNet": {"value": 40.22, "currency": "EUR"}}
    currency = ("urn:iso:std:iso:4217", "EUR", "EUR")
    assert values(invoice, "totalnet") == [QuantityEntry("totalnet", 40.22, 40.22, *currency)]


def test_a_quantity_without_a_value_is_not_indexed() -> None:
    assert values(observation(valueQuantity={"unit": "mg"}), "value-quantity") == []


def test_components_have_entries_of_their_own_and_the_combined_parameter_has_none() -> None:
    resource = observation(
        component=[{"valueQuantity": {"value": 107}}, {"valueQuantity": {"value": 60}}]
    )
    assert [e.low for e in values(resource, "component-value-quantity")] == [107, 60]
    assert values(resource, "combo-value-quantity") == []
    assert values(resource, "value-quantity") == []


def test_a_number_is_a_point_and_a_range_of_numbers_a_range() -> None:
    assessment = {
        "resourceType": "RiskAssessment",
        "prediction": [
            {"probabilityDecimal": 0.9},
            {"probabilityRange": {"low": {"value": 0.1}, "high": {"value": 0.3}}},
        ],
    }
    assert values(assessment, "probability") == [
        NumberEntry("probability", 0.9, 0.9),
        NumberEntry("probability", 0.1, 0.3),
    ]
