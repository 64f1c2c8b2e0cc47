"""Errors of ``/api/v1`` as problem details (https://www.rfc-editor.org/rfc/rfc9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class ProblemPart(BaseModel):
    """One of several things that are wrong."""

    where: str = Field(
        description="Path of the element in the request, or of the file in the upload"
    )
    message: str


class ProblemDetails(BaseModel):
    """What every answer other than 2xx holds."""

    title: str
    status: int
    detail: str | None = None
    errors: list[ProblemPart] = Field(default_factory=list)


class Problem(Exception):
    """Ends a request with problem details."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        errors: list[ProblemPart] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors or [], headers


def from_outcome(status: int, outcome: Mapping[str, Any]) -> Problem:
    """The problem that an OperationOutcome of the core tells of."""
    issues = [
        issue for issue in outcome.get("issue", []) if issue.get("severity") in {"error", "fatal"}
    ]
    parts = [
        ProblemPart(
            where=", ".join(issue.get("expression") or issue.get("location", [])),
            message=_text(issue),
        )
        for issue in issues
    ]
    return Problem(
        status, parts[0].message if parts else None, [part for part in parts if part.where]
    )


def answer(problem: Problem) -> JSONResponse:
    """The HTTP answer for a problem."""
    body = ProblemDetails(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        errors=problem.errors,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(problem.headers or {}),
    )


async def on_problem(_request: Request, error: Exception) -> JSONResponse:
    """FastAPI handler of Problem."""
    assert isinstance(error, Problem)
    return answer(error)


async def on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    """FastAPI handler of the framework's own refusals (404, 405)."""
    assert isinstance(error, HTTPException)
    return answer(Problem(error.status_code, headers=error.headers))


async def on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    """FastAPI handler of bodies and parameters that do not fit the schema. Never repeats the value sent."""
    assert isinstance(error, RequestValidationError)
    parts = [
        ProblemPart(where=".".join(str(part) for part in one["loc"]), message=one["msg"])
        for one in error.errors()
    ]
    return answer(Problem(422, "The request does not fit the schema.", parts))


def _text(issue: Mapping[str, Any]) -> str:
    details = issue.get("details")
    text = details.get("text") if isinstance(details, Mapping) else None
    return str(text or issue.get("diagnostics") or issue.get("code", "error"))
