"""Where errors stop: whatever was raised becomes a refusal that a client may see.

The store's errors are translated here and nowhere else. What nobody expected is logged by name and place: no
message and no values, because either may hold what a patient told somebody.
"""

from __future__ import annotations

import traceback

import structlog

from fhir_api.errors import Category, FhirError
from store.errors import (
    BlobNotFound,
    GuardFailed,
    LeaseLost,
    PageTooLarge,
    SearchTooCostly,
    StoreError,
    TooManySearches,
    VersionConflict,
)

log = structlog.get_logger(__name__)

FRAMES = 8


def refusal_of(error: Exception, method: str, request_id: str) -> FhirError:
    """What a client is told of ``error``."""
    if isinstance(error, FhirError):
        return error
    if isinstance(error, StoreError):
        return translated(error)
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error(
        "fhir.unexpected_error",
        request_id=request_id,
        error=type(error).__name__,
        method=method,
        frames=frames[-FRAMES:],
    )
    text = f"The server failed; the request is {request_id or 'without an id'}."
    return FhirError(Category.EXCEPTION, text)


def translated(error: StoreError) -> FhirError:
    """The refusal that a client sees; the store's own message stays here."""
    match error:
        case VersionConflict():
            return FhirError(Category.CONFLICT, f"The {error.type} changed meanwhile.")
        case GuardFailed():
            return FhirError(Category.CONFLICT, "What the condition matches changed meanwhile.")
        case LeaseLost():
            text = f"The lease on the {error.type} is somebody else's now."
            return FhirError(Category.CONFLICT, text)
        case BlobNotFound():
            return FhirError(Category.NOT_FOUND, "The bytes are not there.")
        case SearchTooCostly():
            text = "The search takes too long: narrow it, or sort it by something else."
            return FhirError(Category.TOO_COSTLY, text)
        case PageTooLarge():
            text = "The page would hold too many bytes: ask for a smaller one with _count."
            return FhirError(Category.TOO_COSTLY, text)
        case TooManySearches():
            text = "Too many slow searches wait already: try again later, or narrow this one."
            return FhirError(Category.THROTTLED, text, headers=(("Retry-After", "5"),))
    text = "The storage is not available; nothing was written."
    return FhirError(Category.TRANSIENT, text, headers=(("Retry-After", "2"),))
