"""What a store's errors become for a client: the one place where they are translated."""

from __future__ import annotations

from fhir_api.errors import Category, FhirError
from store.errors import BlobNotFound, GuardFailed, LeaseLost, StoreError, VersionConflict


def translated(error: StoreError) -> FhirError:
    """The refusal that a client sees; the store's own message stays here."""
    match error:
        case VersionConflict():
            return FhirError(Category.CONFLICT, f"{error.type}/{error.id} changed meanwhile.")
        case GuardFailed():
            return FhirError(Category.CONFLICT, "What the condition matches changed meanwhile.")
        case LeaseLost():
            text = f"The lease on {error.type}/{error.id} is somebody else's now."
            return FhirError(Category.CONFLICT, text)
        case BlobNotFound():
            return FhirError(Category.NOT_FOUND, "The bytes are not there.")
    text = "The storage is not available; nothing was written."
    return FhirError(Category.TRANSIENT, text, headers=(("Retry-After", "2"),))
