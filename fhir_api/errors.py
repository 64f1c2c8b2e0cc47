"""What can go wrong on ``/fhir``, as data: a category, a sentence for a person, and where.

FhirError                 any refusal: its ``Category`` decides status and issue code
Issue                     one finding, as validation returns them and an OperationOutcome lists them

One table turns a category into an HTTP status and an ``issue.code``
(https://hl7.org/fhir/R4/valueset-issue-type.html). 400 is for what cannot be understood (JSON, URL, parameters,
a resource of another type than the URL says); 422 is for a legible resource that breaks R4's definitions or a rule
of ours (https://hl7.org/fhir/R4/http.html#create leaves the border to the server).

A text never repeats content of a resource: it may name elements, types, ids and parameters, never their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson


class Category(StrEnum):
    """Kinds of refusal; each row of ``ANSWERS`` is one."""

    INVALID = "invalid"
    STRUCTURE = "structure"
    UNPROCESSABLE = "unprocessable"
    BUSINESS_RULE = "business-rule"
    LOGIN = "login"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    NOT_SUPPORTED = "not-supported"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_ACCEPTABLE = "not-acceptable"
    CONFLICT = "conflict"
    DELETED = "deleted"
    PRECONDITION = "precondition"
    PRECONDITION_REQUIRED = "precondition-required"
    MULTIPLE_MATCHES = "multiple-matches"
    TOO_LONG = "too-long"
    URL_TOO_LONG = "url-too-long"
    MEDIA_TYPE = "media-type"
    RANGE = "range"
    HEAD_TOO_LONG = "head-too-long"
    SLOW = "slow"
    TOO_COSTLY = "too-costly"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    EXCEPTION = "exception"


ANSWERS: dict[Category, tuple[int, str]] = {
    Category.INVALID: (400, "invalid"),
    Category.STRUCTURE: (400, "structure"),
    Category.UNPROCESSABLE: (422, "invalid"),
    Category.BUSINESS_RULE: (422, "business-rule"),
    Category.LOGIN: (401, "login"),
    Category.FORBIDDEN: (403, "forbidden"),
    Category.NOT_FOUND: (404, "not-found"),
    Category.NOT_SUPPORTED: (404, "not-supported"),
    Category.METHOD_NOT_ALLOWED: (405, "not-supported"),
    Category.NOT_ACCEPTABLE: (406, "not-supported"),
    Category.SLOW: (408, "timeout"),
    Category.CONFLICT: (409, "conflict"),
    Category.DELETED: (410, "deleted"),
    Category.PRECONDITION: (412, "conflict"),
    Category.PRECONDITION_REQUIRED: (428, "conflict"),
    Category.MULTIPLE_MATCHES: (412, "multiple-matches"),
    Category.TOO_LONG: (413, "too-long"),
    Category.URL_TOO_LONG: (414, "too-long"),
    Category.MEDIA_TYPE: (415, "not-supported"),
    Category.RANGE: (416, "value"),
    Category.TOO_COSTLY: (403, "too-costly"),
    Category.THROTTLED: (429, "throttled"),
    Category.HEAD_TOO_LONG: (431, "too-long"),
    Category.TRANSIENT: (503, "transient"),
    Category.EXCEPTION: (500, "exception"),
}
"""Category → HTTP status, issue.code. The only such table."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. ``code`` is an issue type of R4; ``expression`` a FHIRPath (``Patient.name[0].family``) or ''."""

    severity: str
    """fatal, error, warning, information."""
    code: str
    text: str
    expression: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity in {"error", "fatal"}


class FhirError(Exception):
    """A request that is refused. ``issues`` replaces the one issue made of ``text`` where there are several.

    ``expression`` is the place in the resource, or in the request: ``http.Accept`` a header or parameter,
    ``http.request`` all of it (https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.location).
    """

    def __init__(
        self,
        category: Category,
        text: str,
        expression: str = "http.request",
        *,
        issues: Sequence[Issue] = (),
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(text)
        self.category = category
        self.text = text
        self.expression = expression
        self.headers = headers
        """Further headers of the answer: Allow, WWW-Authenticate, Retry-After, Location."""
        self.issues: tuple[Issue, ...] = tuple(issues) or (
            Issue("error", ANSWERS[category][1], text, expression),
        )

    @property
    def status(self) -> int:
        return ANSWERS[self.category][0]

    def within(self, path: str, type: str = "") -> FhirError:
        """The same refusal, of a part: ``Patient.name`` becomes ``Bundle.entry[3].resource.name`` when ``type`` is
        Patient and ``path`` Bundle.entry[3].resource.
        """
        return FhirError(
            self.category,
            self.text,
            moved(self.expression, path, type),
            issues=[
                Issue(i.severity, i.code, i.text, moved(i.expression, path, type))
                for i in self.issues
            ],
            headers=self.headers,
        )


def moved(expression: str, path: str, type: str) -> str:
    """An expression that starts at a resource of ``type``, as one that starts at ``path``'s root."""
    if not expression or not type:
        return path
    if expression == type:
        return path
    if expression.startswith((f"{type}.", f"{type}[")):
        return path + expression[len(type) :]
    return expression if expression.startswith(path) else path


def is_http(expression: str) -> bool:
    """Whether the place is one of the request and not of a resource: R4 tells the two in elements of their own."""
    return expression.startswith("http.")


def operation_outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """The OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html) of these issues, as a JSON tree."""
    rows: list[dict[str, Any]] = []
    for issue in issues:
        row: dict[str, Any] = {
            "severity": issue.severity,
            "code": issue.code,
            "details": {"text": issue.text},
        }
        if issue.expression:
            row["location" if is_http(issue.expression) else "expression"] = [issue.expression]
        rows.append(row)
    return {"resourceType": "OperationOutcome", "issue": rows}


def outcome_bytes(issues: Sequence[Issue]) -> bytes:
    """``operation_outcome`` as JSON."""
    return orjson.dumps(operation_outcome(issues))


ALL_OK = Issue("information", "informational", "All OK")
"""What an interaction says about itself when an outcome was asked for and there is nothing to say."""
