"""The FHIRPath of search parameters is read as written, or refused (https://hl7.org/fhir/R4/fhirpath.html)."""

from __future__ import annotations

import pytest

from fhir_api.search.expressions import (
    ExtensionValue,
    Member,
    OfType,
    PresentAndNotFalse,
    UnsupportedExpression,
    WhereEquals,
    WhereExtension,
    WhereResolves,
    parse,
)


def test_a_union_is_one_path_each() -> None:
    assert parse("Patient.name.given | Practitioner.name.given") == (
        (Member("Patient"), Member("name"), Member("given")),
        (Member("Practitioner"), Member("name"), Member("given")),
    )


@pytest.mark.parametrize(
    "expression",
    [
        "(Observation.value as Quantity)",
        "Observation.value.as(Quantity)",
        "Observation.value.ofType(Quantity)",
    ],
)
def test_a_cast_may_be_spelled_three_ways(expression: str) -> None:
    assert parse(expression) == ((Member("Observation"), Member("value"), OfType("Quantity")),)


def test_a_member_of_a_cast_follows_it() -> None:
    assert parse("(Observation.value as CodeableConcept).text") == (
        (Member("Observation"), Member("value"), OfType("CodeableConcept"), Member("text")),
    )


@pytest.mark.parametrize(
    ("criterion", "step"),
    [
        ("where(system='phone')", WhereEquals("system", "phone")),
        ("where(resolve() is Patient)", WhereResolves("Patient")),
        ("where(hasExtension('http://a.example/b'))", WhereExtension("http://a.example/b")),
        ("extension('http://a.example/b')", ExtensionValue("http://a.example/b")),
        ("extension('http://a.example/b').value", ExtensionValue("http://a.example/b")),
    ],
)
def test_a_criterion_is_a_step(criterion: str, step: object) -> None:
    assert parse(f"Patient.link.{criterion}") == ((Member("Patient"), Member("link"), step),)


def test_an_index_belongs_to_the_member_before_it() -> None:
    assert parse("Bundle.entry[0].resource") == (
        (Member("Bundle"), Member("entry", 0), Member("resource")),
    )


def test_presence_is_a_question_about_the_last_member() -> None:
    assert parse("Patient.deceased.exists() and Patient.deceased != false") == (
        (Member("Patient"), PresentAndNotFalse("deceased")),
    )


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "Patient.",
        "Patient.name.first()",
        "Patient.name[",
        "Patient.name[a]",
        "Patient.name.where(",
        "Patient.name.where(use='official'",
        "Patient.name.where(use=official)",
        "Patient.active = true",
        "(Patient.name",
        "Patient.name)",
        "Patient.birthDate > today()",
        "a.exists() and b != false",
    ],
)
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(UnsupportedExpression):
        parse(expression)
