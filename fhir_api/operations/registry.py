"""Which operations exist: ``routes.py`` dispatches by this table and ``metadata`` lists it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_api.api import Api
from fhir_api.http import Request, Response
from fhir_api.operations.claim import claim
from fhir_api.operations.lease import heartbeat, progress, release

Handler = Callable[[Api, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: ``POST [base]/{type}/$name``, or ``POST [base]/{type}/{id}/$name`` where it is on an instance."""

    type: str
    name: str
    """Without the ``$``."""
    on_instance: bool
    documentation: str
    handler: Handler

    @property
    def definition(self) -> str:
        """Canonical of its OperationDefinition."""
        return f"urn:healthvision:operation:{self.type}-{self.name}"


_ALL = (
    Operation(
        "Task",
        "claim",
        on_instance=False,
        documentation="A worker takes Tasks that it can do, most urgent and oldest first, under a lease.",
        handler=claim,
    ),
    Operation(
        "Task",
        "heartbeat",
        on_instance=True,
        documentation="A worker extends its lease on a Task and learns whether it was cancelled.",
        handler=heartbeat,
    ),
    Operation(
        "Task",
        "progress",
        on_instance=True,
        documentation="A worker says how far it is; the Task shows it as businessStatus.",
        handler=progress,
    ),
    Operation(
        "Task",
        "release",
        on_instance=True,
        documentation="A worker gives a Task back with a reason; it is offered again after a while.",
        handler=release,
    ),
)

_BY_NAME: Mapping[tuple[str, str], Operation] = MappingProxyType(
    {(operation.type, operation.name): operation for operation in _ALL}
)


def operations() -> Mapping[tuple[str, str], Operation]:
    """(type, name without ``$``) → operation."""
    return _BY_NAME
