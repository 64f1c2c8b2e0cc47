"""What the server has acknowledged, kept outside of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Ledger:
    """Acknowledged writes. Only what got a 2xx answer is entered."""

    created: dict[str, str] = field(default_factory=dict)
    """Patient id → family name at creation."""
    updated: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Patient id → last acknowledged version and its family name."""
    tasks: dict[str, str] = field(default_factory=dict)
    """Identifier value → Task id."""
    bundles: list[list[str]] = field(default_factory=list)
    """Locations that one transaction acknowledged together."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def patient_created(self, resource: dict[str, Any]) -> None:
        with self.lock:
            self.created[resource["id"]] = resource["name"][0]["family"]

    def patient_updated(self, resource: dict[str, Any]) -> None:
        with self.lock:
            self.updated[resource["id"]] = (
                int(resource["meta"]["versionId"]),
                resource["name"][0]["family"],
            )

    def task_ordered(self, value: str, id: str) -> None:
        with self.lock:
            known = self.tasks.setdefault(value, id)
        assert known == id, f"one identifier, two Tasks: {known} and {id}"

    def transaction_done(self, locations: list[str]) -> None:
        with self.lock:
            self.bundles.append(locations)
