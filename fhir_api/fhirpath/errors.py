"""What can go wrong with an expression.

FhirPathError
├── ExpressionError    the text is no expression, or uses what this engine does not have: found when it is compiled
├── EvaluationError    it cannot be applied to these elements: several where one is needed, a text where a number is
└── TooCostly          evaluating it would take more steps than it was given

No message repeats a value of the resource.
"""

from __future__ import annotations


class FhirPathError(Exception):
    """An expression cannot be compiled or evaluated; the message says why."""


class ExpressionError(FhirPathError):
    """The text is not an expression of this engine; ``position`` is the offset in it."""

    def __init__(self, reason: str, text: str, position: int) -> None:
        super().__init__(f"{reason} (at character {position + 1} of: {text})")
        self.reason = reason
        self.position = position


class EvaluationError(FhirPathError):
    """The expression does not fit what it is applied to."""


class TooCostly(FhirPathError):
    """The evaluation was stopped, because it has used up its steps."""
