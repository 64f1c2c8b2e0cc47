"""One table turns a category into a status and an issue code; parts of a Bundle name their place."""

from __future__ import annotations

import pytest

from fhir_api.boundary import translated
from fhir_api.errors import ANSWERS, Category, FhirError, Issue, moved, operation_outcome
from fhir_api.validation import Validator
from store.errors import BlobNotFound, GuardFailed, LeaseLost, StoreUnavailable, VersionConflict


def test_every_category_has_an_answer() -> None:
    assert set(ANSWERS) == set(Category)
    assert all(400 <= status < 600 for status, _ in ANSWERS.values())


@pytest.mark.parametrize("category", list(Category))
def test_every_refusal_is_a_valid_outcome_with_code_text_and_place(category: Category) -> None:
    """https://hl7.org/fhir/R4/operationoutcome.html"""
    outcome = operation_outcome(FhirError(category, "Because.").issues)
    issues = Validator().validate(outcome, "OperationOutcome")
    assert [issue for issue in issues if issue.is_error] == []
    assert outcome["issue"][0]["code"] == ANSWERS[category][1]
    assert outcome["issue"][0]["location"] == ["http.request"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.name[0]", "Bundle.entry[3].resource.name[0]"),
        ("Patient", "Bundle.entry[3].resource"),
        ("", "Bundle.entry[3].resource"),
        ("http.body", "Bundle.entry[3].resource"),
        ("PatientX.name", "Bundle.entry[3].resource"),
    ],
)
def test_a_place_in_a_resource_becomes_a_place_in_the_bundle(
    expression: str, expected: str
) -> None:
    assert moved(expression, "Bundle.entry[3].resource", "Patient") == expected


def test_a_refusal_of_a_part_keeps_all_its_issues_and_headers() -> None:
    issues = [Issue("error", "required", "a", "Patient.x"), Issue("warning", "value", "b", "")]
    refusal = FhirError(Category.UNPROCESSABLE, "t", issues=issues, headers=(("A", "b"),))
    moved_there = refusal.within("Bundle.entry[0].resource", "Patient")
    assert [issue.expression for issue in moved_there.issues] == [
        "Bundle.entry[0].resource.x",
        "Bundle.entry[0].resource",
    ]
    assert (moved_there.status, moved_there.headers) == (422, (("A", "b"),))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (VersionConflict("Patient", "secret", 1, 2), 409),
        (GuardFailed("Patient"), 409),
        (LeaseLost("Task", "secret"), 409),
        (BlobNotFound("secret"), 404),
        (StoreUnavailable("secret path"), 503),
    ],
)
def test_a_store_error_is_translated_without_its_words(error: Exception, status: int) -> None:
    refusal = translated(error)
    assert refusal.status == status
    assert "secret" not in refusal.text
