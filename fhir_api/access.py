"""One function answers 'may this caller do this to that', and every route and batch entry asks it.

Roles are few for now: ``operator`` may do everything; ``worker`` reads everything and writes what an analysis
leaves behind. SMART scopes and compartments will add conditions here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fhir_api.errors import Category, FhirError
from fhir_api.smart.scopes import ResourceScope
from store.query import AnyOf, Condition


class Interaction(StrEnum):
    """The RESTful interactions (https://hl7.org/fhir/R4/valueset-type-restful-interaction.html) and operations."""

    READ = "read"
    VREAD = "vread"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    HISTORY = "history"
    SEARCH = "search"
    TRANSACTION = "transaction"
    BATCH = "batch"
    OPERATION = "operation"


READS = frozenset({Interaction.READ, Interaction.VREAD, Interaction.HISTORY, Interaction.SEARCH})
BUNDLES = frozenset({Interaction.TRANSACTION, Interaction.BATCH})

SEE_EVERYTHING = frozenset({"operator", "worker"})
"""Roles that may read whatever there is."""

WORKER_WRITES = frozenset(
    {
        "Binary",
        "Device",
        "DiagnosticReport",
        "DocumentReference",
        "Media",
        "Observation",
        "OperationOutcome",
        "Organization",
        "Provenance",
        "Task",
    }
)
"""What a worker creates and updates: the results of an analysis, who and what made them, and the Task."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, whatever the token that said so was made by."""

    id: str
    """The client; ``operator`` or ``worker`` where it is the deployment's own token. It names it in audit and logs."""
    roles: frozenset[str]
    """What the user, or the service, is here: operator, worker, clinician, radiologist, auditor. Never from scopes."""
    scopes: tuple[ResourceScope, ...] | None = None
    """What the token grants, together. None: the deployment's own token, where the role alone decides."""
    user: str = ""
    """``Practitioner/1``: the user as a resource of this server; '' for a service."""
    subject: str = ""
    """The stable id that the issuer has for the user or service (``sub``)."""
    patient: str = ""
    """Id of the Patient in context; '': none, and ``patient/`` scopes grant nothing."""
    encounter: str = ""
    """Id of the Encounter in context."""
    token_id: str = ""
    """The token's ``jti``."""
    purpose: str = ""
    """Purpose of use, a code of v3-ActReason; ``BTG`` opens a patient outside of the context in an emergency."""


Authenticate = Callable[[Mapping[str, str]], Awaitable[Caller]]
"""Given a request's headers (lower-case names), who asks; raises FhirError (401) where they prove nobody."""


class Forbidden(FhirError):
    """The caller may not do this."""

    def __init__(self, interaction: Interaction, type: str) -> None:
        super().__init__(Category.FORBIDDEN, f"You may not {interaction} {type or 'the system'}.")


def decide(caller: Caller, interaction: Interaction, type: str = "") -> None:
    """Returns when the caller may; ``type`` '' is the whole system.

    Each entry of a batch or transaction is decided on its own besides the Bundle.

    Raises:
        Forbidden: the caller may not.
    """
    if "operator" in caller.roles:
        return
    if "worker" in caller.roles:
        if interaction in READS or interaction in BUNDLES:
            return
        if interaction is Interaction.OPERATION and type == "Task":
            return
        if interaction in {Interaction.CREATE, Interaction.UPDATE} and type in WORKER_WRITES:
            return
    raise Forbidden(interaction, type)


NOBODY: tuple[Condition, ...] = (AnyOf(()),)
"""What no resource meets."""


def visible(caller: Caller, type: str) -> tuple[Condition, ...]:
    """What a resource of ``type`` must meet for the caller to see it, beside what was asked for. (): nothing.

    Every search goes through ``store.query.restricted`` with it, so pages, totals, chains, ``_has``, includes and
    ``$everything`` show nothing that a read would refuse.
    """
    if caller.roles & SEE_EVERYTHING:
        return ()
    try:
        decide(caller, Interaction.READ, type)
    except Forbidden:
        return NOBODY
    return ()
