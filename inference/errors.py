"""What can go wrong between a Task and its report.

InferenceError
├── Transient              try again later: nothing is known to be wrong with the request
│   ├── Unreachable        the server did not answer
│   ├── Busy               it answered 429 or 5xx
│   └── Ambiguous          the connection ended after the request was sent: it may have been carried out
├── Refused                the server said no, with an OperationOutcome
│   ├── NotAllowed         401, 403
│   │   └── CredentialUnusable  the worker has nothing to show: no key, no place to get a token
│   ├── Missing            404, 410
│   └── Conflict           409, 412: somebody else came first
├── Incomplete             not all instances of the study are there yet
├── Failed                 this Task cannot be answered (corrupt pixels, no study); ends ``failed``
├── Unsuitable             the model must not answer for this input; ends ``rejected``
├── Changed                the Task asks for something else now than what was done
└── Dropped                the Task is no longer ours: cancelled, or the lease was lost

Texts say nothing about a patient: they end up in ``Task.statusReason`` and in logs.
"""

from __future__ import annotations

from dataclasses import dataclass


class InferenceError(Exception):
    """Root of the package's errors. ``category`` is one of the error categories of docs/architecture.md."""

    category = "invalid"


class Transient(InferenceError):
    category = "transient"

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Unreachable(Transient):
    pass


class Busy(Transient):
    pass


class Ambiguous(Transient):
    pass


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an OperationOutcome, without its free text (which could quote the request)."""

    severity: str
    code: str
    expression: tuple[str, ...] = ()


class Refused(InferenceError):
    def __init__(self, status: int, issues: tuple[Issue, ...] = ()) -> None:
        where = ", ".join(" at ".join((issue.code, *issue.expression)) for issue in issues)
        super().__init__(f"the server answered {status}" + (f" ({where})" if where else ""))
        self.status, self.issues = status, issues


class NotAllowed(Refused):
    category = "forbidden"


class CredentialUnusable(NotAllowed):
    """The worker has nothing to show: it is refused before it asks."""

    def __init__(self, text: str) -> None:
        super().__init__(401)
        self.args = (text,)


class Missing(Refused):
    category = "not-found"


class Conflict(Refused):
    category = "conflict"


class Incomplete(InferenceError):
    category = "transient"

    def __init__(self, present: int, expected: int) -> None:
        super().__init__(f"{present} of {expected} instances have arrived")
        self.present, self.expected = present, expected


class Failed(InferenceError):
    """``code`` is one of terminology.task_reasons; ``text`` is the sentence for ``statusReason``."""

    category = "invalid"

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Unsuitable(InferenceError):
    """``code`` is one of terminology.task_reasons; ``text`` is the sentence for ``statusReason``."""

    category = "business-rule"

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Changed(InferenceError):
    category = "conflict"


class Dropped(InferenceError):
    category = "conflict"
