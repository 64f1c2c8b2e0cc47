"""Which operations exist: ``routes.py`` dispatches by this table and ``metadata`` lists it.

A new operation is a handler in a file of its own and one row here (https://hl7.org/fhir/R4/operations.html).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from fhir_api.access import Interaction
from fhir_api.api import Api
from fhir_api.http import Request, Response
from fhir_api.operations.claim import claim
from fhir_api.operations.everything import everything
from fhir_api.operations.lease import heartbeat, progress, release
from fhir_api.operations.meta import meta, meta_add, meta_delete
from fhir_api.operations.reindex import reindex
from fhir_api.operations.validate import validate

Handler = Callable[[Api, Request], Awaitable[Response]]


class Level(Enum):
    """Where an operation is invoked; ``request.path`` is as shown."""

    SYSTEM = "$name"
    TYPE = "Type/$name"
    INSTANCE = "Type/id/$name"
    VERSION = "Type/id/_history/version/$name"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: where it is, what it needs, and what answers it.

    It takes POST, and GET too where it changes nothing (https://hl7.org/fhir/R4/operations.html#executing).
    """

    name: str
    """Without the ``$``."""
    levels: frozenset[Level]
    definition: str
    """Canonical of its OperationDefinition."""
    documentation: str
    handler: Handler
    types: frozenset[str] | None = None
    """Of the type, instance and version levels; None: every type."""
    changes_state: bool = False
    may_take_long: bool = False
    """With ``Prefer: respond-async`` it is answered later: see ``fhir_api/jobs``."""
    needs: Interaction = Interaction.OPERATION
    """What the caller has to be allowed on the type (on the system, at the system level)."""

    def at(self, level: Level, type: str) -> bool:
        """Whether it is there; ``type`` '' at the system level."""
        return level in self.levels and (
            level is Level.SYSTEM or self.types is None or type in self.types
        )


def _of_task(name: str, level: Level, handler: Handler, documentation: str) -> Operation:
    return Operation(
        name=name,
        levels=frozenset({level}),
        definition=f"urn:healthvision:operation:Task-{name}",
        documentation=documentation,
        handler=handler,
        types=frozenset({"Task"}),
        changes_state=True,
        needs=Interaction.WORK,
    )


_ALL: tuple[Operation, ...] = (
    _of_task(
        "claim",
        Level.TYPE,
        claim,
        "A worker takes Tasks that it can do, most urgent and oldest first, under a lease.",
    ),
    _of_task(
        "heartbeat",
        Level.INSTANCE,
        heartbeat,
        "A worker extends its lease on a Task and learns whether it was cancelled.",
    ),
    _of_task(
        "progress",
        Level.INSTANCE,
        progress,
        "A worker says how far it is; the Task shows it as businessStatus.",
    ),
    _of_task(
        "release",
        Level.INSTANCE,
        release,
        "A worker gives a Task back with a reason; it is offered again after a while.",
    ),
    Operation(
        name="everything",
        levels=frozenset({Level.TYPE, Level.INSTANCE}),
        definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
        documentation="A patient's record: all of the compartment, and what it refers to, in pages.",
        handler=everything,
        may_take_long=True,
        types=frozenset({"Patient"}),
        needs=Interaction.READ,
    ),
    Operation(
        name="meta",
        levels=frozenset(Level),
        definition="http://hl7.org/fhir/OperationDefinition/Resource-meta",
        documentation="The profiles, tags and security labels of a resource, a type or everything.",
        handler=meta,
        needs=Interaction.READ,
    ),
    Operation(
        name="meta-add",
        levels=frozenset({Level.INSTANCE}),
        definition="http://hl7.org/fhir/OperationDefinition/Resource-meta-add",
        documentation="Adds profiles, tags and security labels: a new version of the resource.",
        handler=meta_add,
        changes_state=True,
        needs=Interaction.UPDATE,
    ),
    Operation(
        name="meta-delete",
        levels=frozenset({Level.INSTANCE}),
        definition="http://hl7.org/fhir/OperationDefinition/Resource-meta-delete",
        documentation="Takes profiles, tags and security labels away: a new version of the resource.",
        handler=meta_delete,
        changes_state=True,
        needs=Interaction.UPDATE,
    ),
    Operation(
        name="reindex",
        levels=frozenset({Level.SYSTEM, Level.TYPE}),
        definition="urn:healthvision:operation:reindex",
        documentation="Indexes what was stored before a SearchParameter, or by an older version of this server.",
        handler=reindex,
        changes_state=True,
        may_take_long=True,
    ),
    Operation(
        name="validate",
        levels=frozenset({Level.TYPE, Level.INSTANCE}),
        definition="http://hl7.org/fhir/OperationDefinition/Resource-validate",
        documentation="Everything that is wrong with a resource, by R4 and by profiles; stores nothing.",
        handler=validate,
        needs=Interaction.READ,
    ),
)

_BY_NAME: Mapping[str, Operation] = MappingProxyType({one.name: one for one in _ALL})


def operations() -> Mapping[str, Operation]:
    """Name without ``$`` → operation."""
    return _BY_NAME


def operation_at(path: tuple[str, ...]) -> Operation | None:
    """The operation at a URL below the base whose last segment is ``$name``; None where there is none."""
    match path:
        case (name,):
            level, type = Level.SYSTEM, ""
        case (type, name):
            level = Level.TYPE
        case (type, _, name):
            level = Level.INSTANCE
        case (type, _, "_history", _, name):
            level = Level.VERSION
        case _:
            return None
    operation = _BY_NAME.get(name[1:])
    return operation if operation and operation.at(level, type) else None
