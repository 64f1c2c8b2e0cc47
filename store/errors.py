"""What can go wrong in a store.

StoreError
├── VersionConflict   another write came first
├── GuardFailed       a conditional interaction's matches changed
├── LeaseLost         the queue entry belongs to somebody else
├── BlobNotFound
├── SearchTooCostly   it would have to look at too much
├── PageTooLarge      its rows would fill the memory
├── TooManySearches   slow ones wait already; try again later
└── StoreUnavailable  disk full, locked, read-only: nothing was written; try again later
"""

from __future__ import annotations


class StoreError(Exception):
    """Root of the store's errors. ``category`` is one of the error categories of docs/architecture.md."""

    category = "transient"


class VersionConflict(StoreError):
    category = "conflict"

    def __init__(self, type: str, id: str, expected: int, current: int) -> None:
        super().__init__(f"{type}/{id} is at version {current}, not {expected}")
        self.type, self.id, self.expected, self.current = type, id, expected, current


class GuardFailed(StoreError):
    category = "conflict"

    def __init__(self, type: str) -> None:
        super().__init__(f"the matches among {type} changed while the request ran")
        self.type = type


class LeaseLost(StoreError):
    category = "conflict"

    def __init__(self, type: str, id: str) -> None:
        super().__init__(f"the lease on {type}/{id} is not held by this owner")
        self.type, self.id = type, id


class BlobNotFound(StoreError):
    category = "not-found"


class SearchTooCostly(StoreError):
    category = "too-costly"


class PageTooLarge(StoreError):
    category = "too-costly"


class TooManySearches(StoreError):
    category = "throttled"


class StoreUnavailable(StoreError):
    category = "transient"
