"""Expressions on real trees give what FHIRPath says (http://hl7.org/fhirpath/N1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_api.fhirpath import (
    EvaluationError,
    ExpressionError,
    Node,
    TooCostly,
    compile_expression,
    references_within,
    resource_node,
)
from fhir_api.fhirpath.values import Moment, Quantity

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "example",
    "active": True,
    "birthDate": "1974-12-25",
    "_birthDate": {
        "extension": [{"url": "urn:time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]
    },
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim", None], "_given": [None, {"id": "a"}]},
    ],
    "multipleBirthInteger": 2,
    "contact": [{"relationship": [{"coding": [{"system": "urn:s", "code": "N"}]}]}],
    "managingOrganization": {"reference": "#o"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Radiology"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "valueQuantity": {
        "value": 185.1,
        "unit": "lbs",
        "system": "http://unitsofmeasure.org",
        "code": "[lb_av]",
    },
}


def values(text: str, resource: dict[str, Any] = PATIENT, **given: Any) -> list[Any]:
    nodes = compile_expression(text).evaluate(resource_node(resource), **given)
    return [n.value.text if isinstance(n.value, Moment) else n.value for n in nodes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient.name.given", ["Peter", "James", "Jim", None]),
        ("name.where(use = 'official').given.first()", ["Peter"]),
        ("name.given.skip(1).take(2)", ["James", "Jim"]),
        ("name[1].given[0] | 'Jim'", ["Jim"]),
        ("name.select(given.first() & ' ' & family)", ["Peter Chalmers", "Jim "]),
        ("name.given.where($index = 1)", ["James"]),
        ("(1 | 2 | 3).aggregate($this + $total, 0)", [6]),
        ("Observation.value", []),
        ("multipleBirth", [2]),
        ("multipleBirth is integer", [True]),
        ("multipleBirth is string", [False]),
        ("(multipleBirth as integer) + 2", [4]),
        ("multipleBirth.ofType(boolean)", []),
        ("active.is(Boolean)", [False]),
        ("active.is(boolean)", [True]),
        ("contact.is(BackboneElement)", [True]),
        ("contained[0] is DomainResource", [True]),
        ("'abc' is System.String", [True]),
        ("birthDate.extension('urn:time').value", ["1974-12-25T14:35:45-05:00"]),
        ("birthDate.hasValue()", [True]),
        ("name[1].given[1].hasValue()", [False]),
        ("name[1].given[1].id", ["a"]),
        ("contact.relationship.coding.exists(system = 'urn:s' and code = 'N')", [True]),
        ("contact.name.exists()", [False]),
        ("contact.name.family.empty()", [True]),
        ("descendants().where($this is code)", ["official", "usual", "N"]),
        ("%resource.id", ["example"]),
        ("%ucum", ["http://unitsofmeasure.org"]),
        ("name.trace('names').count()", [2]),
        ("{}", []),
        ("name.`use`", ["official", "usual"]),
        ("name.repeat(given).count()", [4]),
        ("name.given.isDistinct()", [True]),
        ("iif(name.empty(), 'none', 'some')", ["some"]),
        ("contact.iif(empty(), 1, count() + 1)", [2]),
    ],
)
def test_paths_and_functions_on_a_patient(text: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#path-selection and #functions"""
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true and {}", []),
        ("false and {}", [False]),
        ("true or {}", [True]),
        ("{} or false", []),
        ("{} implies true", [True]),
        ("false implies {}", [True]),
        ("true xor {}", []),
        ("true xor false", [True]),
        ("{}.not()", []),
        ("{} = 1", []),
        ("(1 | 2) = (1 | 2)", [True]),
        ("(1 | 2) != (2 | 1)", [True]),
        ("'Ab c' ~ 'ab  C'", [True]),
        ("1.0 = 1", [True]),
        ("0.1 + 0.2 = 0.3", [True]),
        ("2 + 3 * 4", [14]),
        ("-2.abs()", [-2]),
        ("7 div 2", [3]),
        ("-7 div 2", [-3]),
        ("7 mod 3", [1]),
        ("7 / 0", []),
        ("2.power(3)", [8]),
        ("(-1).sqrt()", []),
        ("3.5.round()", [4]),
        ("'abc' & {} & 'd'", ["abcd"]),
        ("'abcdef'.substring(2, 3)", ["cde"]),
        ("'a,b'.split(',').join('-')", ["a-b"]),
        ("'abc'.matches('b')", [True]),
        ("'abc'.matches('^b$')", [False]),
        ("'abc'.matchesFull('a.c')", [True]),
        ("'a.b.c'.replaceMatches('\\\\..*', '')", ["a"]),
        ("'1'.toInteger() in (1 | 2)", [True]),
        ("(1 | 2) contains 3", [False]),
        ("'x'.toInteger()", []),
        ("'true'.toBoolean()", [True]),
        ("1.toString()", ["1"]),
        ("'2 days'.toQuantity() = 2 days", [True]),
        ("@2012 < @2013", [True]),
        ("@2012-01 > @2012", []),
        ("@2012 = @2012-01", []),
        ("@2012-01-01T10:00:00Z = @2012-01-01T11:00:00+01:00", [True]),
        ("@2012-01-31 + 1 month", ["2012-02-29"]),
        ("@2012-01-01T23:30:00Z + 45 minutes", ["2012-01-02T00:15:00Z"]),
        ("@T10:30 + 90 minutes", ["12:00"]),
        ("now() > @2020-01-01 and today() > @2020", [True]),
        ("1 'mg' = 1 'mg'", [True]),
        ("1 'mg' < 1 'L'", []),
        ("4 'g' = 4000 'mg'", [True]),
        ("1 'Cel' < 300 'K'", [True]),
        ("1 year = 1 'a'", []),
        ("7 days = 1 week", [True]),
        ("1 'wk' = 7 'd'", [True]),
        ("'\\u0041\\'' = 'A\\''", [True]),
        ("1 // the rest is a remark", [1]),
    ],
)
def test_values_by_themselves(text: str, expected: list[Any]) -> None:
    """http://hl7.org/fhirpath/N1/#operations"""
    assert values(text) == expected


def test_a_quantity_of_a_resource_compares_with_a_literal() -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#quantity"""
    assert values("value > 180 '[lb_av]'", OBSERVATION) == [True]
    assert values("value.value = 185.1", OBSERVATION) == [True]
    for text in ("2 * 1.5 'mg'", "1.5 'mg' * 2 '1'"):
        (product,) = compile_expression(text).evaluate(resource_node(OBSERVATION))
        assert product.value == Quantity(Decimal(3), "'mg'")


def test_results_tell_where_they_stand() -> None:
    expression = compile_expression("name.given.where($this = 'Jim') | birthDate.extension.value")
    jim, birth = expression.evaluate(resource_node(PATIENT))
    assert jim.location == "Patient.name[1].given[0]"
    assert jim.keys == ("name", 1, "given", 0)
    assert birth.location == "Patient.birthDate.extension[0].valueDateTime"
    assert birth.keys == ("_birthDate", "extension", 0, "valueDateTime")


def test_a_node_can_begin_anywhere() -> None:
    name = Node({"family": "Chalmers"}, "HumanName", name="name")
    assert compile_expression("family.exists()").holds(name)
    assert compile_expression("family").evaluate(name)[0].location == "name.family"


def test_references_are_resolved_within_the_document_only() -> None:
    """https://hl7.org/fhir/R4/bundle.html#references"""
    resolve = references_within()
    assert values("managingOrganization.resolve().name", resolve=resolve) == ["Radiology"]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {
                "fullUrl": "http://a.example/fhir/Encounter/1",
                "resource": {"resourceType": "Encounter", "subject": {"reference": "Patient/1"}},
            },
            {
                "fullUrl": "http://b.example/fhir/Patient/1",
                "resource": {"resourceType": "Patient", "gender": "male"},
            },
            {
                "fullUrl": "http://a.example/fhir/Patient/1",
                "resource": {"resourceType": "Patient", "gender": "female"},
            },
        ],
    }
    reach = references_within(resource_node(bundle))
    text = "entry.resource.ofType(Encounter).subject.resolve().gender"
    assert values(text, bundle, resolve=reach) == ["female"]
    assert values(text, bundle) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name.",
        "name..given",
        "(name",
        "name = ",
        "foo()",
        "name.where()",
        "name.where(a, b)",
        "%nothing",
        "name is Nothing",
        "@2012-13",
        "'a",
        "name name",
        "§",
        "name.as(3)",
        "((((" * 40 + "1" + "))))" * 40,
        ".".join(["a"] * 500),
        "+".join(["1"] * 500),
        "-" * 500 + "1",
        "(" * 40 + "1" + ("+1" * 110 + ")") * 40,
        "9" * 5000,
        "9" * 5000 + " days",
    ],
)
def test_what_is_no_expression_is_refused_when_it_is_compiled(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "name.single()",
        "name.given + 'x'",
        "1 + 'a'",
        "active < 3",
        "'a' > 1",
        "'a'.matches('(?=b)')",
        "'a'.substring('b')",
        "name['a']",
        "@2012 + 1 'mg'",
        "-'a'",
    ],
)
def test_what_does_not_fit_the_elements_is_an_error_of_evaluation(text: str) -> None:
    with pytest.raises(EvaluationError):
        values(text)


@pytest.mark.parametrize(
    "text",
    [
        "name.given.where(%resource.name.given.where(%resource.name.given.exists()).exists())",
        "repeat($this & 'x').count()",
        "(1 | 2).repeat($this + 1)",
    ],
)
def test_an_evaluation_ends_when_its_steps_are_spent(text: str) -> None:
    many = {"resourceType": "Patient", "name": [{"given": ["a"]} for _ in range(1000)]}
    expression = compile_expression(text)
    with pytest.raises((TooCostly, EvaluationError)):
        expression.evaluate(resource_node(many), steps=20_000)


def test_a_hostile_pattern_takes_linear_time() -> None:
    """RE2 does not backtrack; Python's own engine would need more steps than there are atoms."""
    assert values(f"'{'a' * 5000}!'.matches('^(a+)+$')") == [False]


def test_further_constants_are_declared() -> None:
    expression = compile_expression("%patient.id = 'example'", variables={"patient"})
    assert expression.holds(
        resource_node(OBSERVATION), variables={"patient": [resource_node(PATIENT)]}
    )


def test_membership_is_asked_of_whoever_knows() -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#functions (memberOf)"""
    text = "code.memberOf('http://e.example/vs')"
    asked = []

    def member_of(coded: Node, value_set: str) -> bool | None:
        asked.append((coded.location, value_set))
        return True

    assert values(text, OBSERVATION) == []
    assert values(text, OBSERVATION, member_of=member_of) == [True]
    assert asked == [("Observation.code", "http://e.example/vs")]
