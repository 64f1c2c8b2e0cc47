"""One function answers 'may this caller do this at all', and every route and batch entry asks it.

A caller's scopes are a union of grants, each no more than the caller's role may do. Which resources of a type a grant
reaches is the question of ``fhir_api/visibility``, which answers it with conditions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from fhir_api.errors import Category, FhirError
from fhir_api.patient_policy import PATIENT, letters_in_context
from fhir_api.roles import ALL, APPENDED, AUDIT, NOTHING, letters_of_roles
from fhir_api.smart.scopes import ANY_TYPE, Level, ResourceScope


class Interaction(StrEnum):
    """The RESTful interactions (https://hl7.org/fhir/R4/valueset-type-restful-interaction.html) and operations."""

    READ = "read"
    VREAD = "vread"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    HISTORY_INSTANCE = "history-instance"
    HISTORY = "history"
    """Of a type or of all."""
    SEARCH = "search"
    TRANSACTION = "transaction"
    BATCH = "batch"
    OPERATION = "operation"
    """The server's own, which operators ask for."""
    WORK = "work on"
    """To take a Task from the queue, hold it, and give it back."""


READS = frozenset(
    {
        Interaction.READ,
        Interaction.VREAD,
        Interaction.HISTORY_INSTANCE,
        Interaction.HISTORY,
        Interaction.SEARCH,
    }
)
BUNDLES = frozenset({Interaction.TRANSACTION, Interaction.BATCH})

LETTER: Final[Mapping[Interaction, str]] = {
    Interaction.CREATE: "c",
    Interaction.READ: "r",
    Interaction.VREAD: "r",
    Interaction.HISTORY_INSTANCE: "r",
    Interaction.UPDATE: "u",
    Interaction.PATCH: "u",
    Interaction.DELETE: "d",
    Interaction.SEARCH: "s",
    Interaction.HISTORY: "s",
}
"""https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources"""


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
    compiled: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was made of the scopes, once for all requests that this Caller makes."""


Authenticate = Callable[[Mapping[str, str]], Awaitable[Caller]]
"""Given a request's headers (lower-case names), who asks; raises FhirError (401) where they prove nobody."""


class Forbidden(FhirError):
    """The caller may not do this."""

    def __init__(
        self, caller: Caller, interaction: Interaction, type: str, text: str = "", place: str = ""
    ) -> None:
        super().__init__(
            Category.FORBIDDEN,
            text or f"You may not {interaction} {type or 'the system'}.",
            place or "http.request",
            headers=() if caller.scopes is None else INSUFFICIENT,
        )


INSUFFICIENT: Final = (("WWW-Authenticate", 'Bearer error="insufficient_scope"'),)
"""https://www.rfc-editor.org/rfc/rfc6750#section-3.1"""

OURSELVES: Final = Caller("healthvision", frozenset({"operator", "worker"}))
"""The server, where it acts of itself: what the caller may was decided before."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one scope lets the caller do with one type."""

    letters: frozenset[str]
    patient: str
    """Of the Patient of this id only; '': of all."""
    where: tuple[tuple[str, str], ...]
    """Search parameters that the resource has to meet besides."""


def decide(caller: Caller, interaction: Interaction, type: str = "") -> None:
    """Returns when the caller may, with some resources at least; ``type`` '' is the whole system.

    Each entry of a batch or transaction is decided on its own besides the Bundle.

    Raises:
        Forbidden: the caller may not.
    """
    if not may(caller, interaction, type):
        raise Forbidden(caller, interaction, type)


def may(caller: Caller, interaction: Interaction, type: str = "") -> bool:
    """As ``decide``, which raises where this is False."""
    letter = LETTER.get(interaction)
    if letter is None:
        role = _ROLE_OF.get(interaction)
        return _may_act_as(caller, role, type) if role else _is_any(caller)
    if caller.scopes is None:
        return letter in letters_of_roles(caller.roles, type)
    return any(letter in grant.letters for grant in grants_of(caller, type))


def grants_of(caller: Caller, type: str) -> tuple[Grant, ...]:
    """What the scopes of a caller who has some come to for a type; '' is the system: some type or other."""
    grants: tuple[Grant, ...] | None = caller.compiled.get(type)
    if grants is None:
        found = (_grant(caller, scope, type) for scope in caller.scopes or ())
        grants = tuple(dict.fromkeys(grant for grant in found if grant is not None))
        caller.compiled[type] = grants
    return grants


def _grant(caller: Caller, scope: ResourceScope, type: str) -> Grant | None:
    if type and scope.type not in {type, ANY_TYPE}:
        return None
    patient = confined_to(caller, scope.level)
    if patient is None:
        return None
    if patient:
        most = letters_in_context(type)
    elif caller.roles or scope.level is Level.USER:
        most = letters_of_roles(caller.roles, type)
    else:
        most = NOTHING if type == AUDIT else ALL
    if type == scope.type == AUDIT and scope.level is Level.SYSTEM:
        most |= APPENDED
    letters = scope.interactions & most
    return Grant(letters, patient, scope.where) if letters else None


def confined_to(caller: Caller, level: Level) -> str | None:
    """The id of the patient that scopes of a level are about; '' where about all; None where they grant nothing."""
    is_patient, _, own = caller.user.partition("/")
    if is_patient == PATIENT:
        # Patients see their own record, through whichever scope and whatever the launch says.
        in_context = level is Level.USER or (level is Level.PATIENT and caller.patient == own)
        return own if own and in_context else None
    if level is Level.PATIENT:
        return caller.patient or None
    if level is Level.SYSTEM and caller.user:
        return None  # for services that act without a user
    return ""


_ROLE_OF: Final = {Interaction.OPERATION: "operator", Interaction.WORK: "worker"}


def _may_act_as(caller: Caller, role: str, type: str) -> bool:
    """Whether the caller does what is one role's alone, and reaches every resource of the type."""
    if role not in caller.roles:
        return False
    return caller.scopes is None or any(
        "u" in scope.interactions
        and not scope.where
        and scope.type in {type or ANY_TYPE, ANY_TYPE}
        and confined_to(caller, scope.level) == ""
        for scope in caller.scopes
    )


def _is_any(caller: Caller) -> bool:
    """Whether the caller may do anything at all."""
    return bool(
        letters_of_roles(caller.roles, "") if caller.scopes is None else grants_of(caller, "")
    )
