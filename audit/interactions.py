"""Which interaction of https://hl7.org/fhir/R4/valueset-type-restful-interaction.html an access was, and how it is audited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audit.access import Access, Target


@dataclass(frozen=True, slots=True)
class Interaction:
    """``code`` of the interaction, ``action`` of the AuditEvent, and BALP's profile for it ('': it has none)."""

    code: str
    action: str
    profile: str = ""


READ: Final = Interaction("read", "R", "Read")
VREAD: Final = Interaction("vread", "R", "Read")
CREATE: Final = Interaction("create", "C", "Create")
UPDATE: Final = Interaction("update", "U", "Update")
PATCH: Final = Interaction("patch", "U", "Update")
DELETE: Final = Interaction("delete", "D", "Delete")
SEARCH_TYPE: Final = Interaction("search-type", "E", "Query")
SEARCH_SYSTEM: Final = Interaction("search-system", "E", "Query")
HISTORY_INSTANCE: Final = Interaction("history-instance", "R")
HISTORY_TYPE: Final = Interaction("history-type", "R")
HISTORY_SYSTEM: Final = Interaction("history-system", "R")
OPERATION: Final = Interaction("operation", "E")
BATCH: Final = Interaction("batch", "E")
TRANSACTION: Final = Interaction("transaction", "E")

_BY_METHOD: Final = {"POST": CREATE, "PUT": UPDATE, "PATCH": PATCH, "DELETE": DELETE}


def interaction_of(access: Access) -> Interaction:
    """What was asked for, told by method and URL, also where it was refused."""
    method, path = access.method, access.path
    last = path[-1] if path else ""
    if last.startswith("$"):
        return OPERATION
    if not path:
        if method == "POST":
            return BATCH if access.bundle == "batch" else TRANSACTION
        return SEARCH_SYSTEM
    if last == "_search":
        return SEARCH_SYSTEM if len(path) == 1 else SEARCH_TYPE
    if last == "_history":
        return (HISTORY_SYSTEM, HISTORY_TYPE, HISTORY_INSTANCE)[min(len(path), 3) - 1]
    if method not in {"GET", "HEAD"}:
        return _BY_METHOD.get(method, OPERATION)
    if len(path) == 2:
        return READ
    if len(path) == 4 and path[2] == "_history":
        return VREAD
    is_search = len(path) in {1, 3} and (last == "*" or last[:1].isupper())
    return SEARCH_TYPE if is_search else OPERATION


def write_of(target: Target) -> Interaction:
    """What made a version. A PUT that made the first one created it."""
    if target.method == "PUT" and target.version == 1:
        return CREATE
    return _BY_METHOD[target.method]
