"""Which operations exist: ``routes.py`` dispatches by this table and ``metadata`` lists it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fhir_api.api import Api
    from fhir_api.http import Request, Response

Handler = Callable[["Api", "Request"], Awaitable["Response"]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: ``POST [base]/{type}/$name``, or ``POST [base]/{type}/{id}/$name`` where it is on an instance."""

    type: str
    name: str
    """Without the ``$``."""
    on_instance: bool
    definition: str
    """Canonical of its OperationDefinition."""
    documentation: str
    handler: Handler


def operations() -> Mapping[tuple[str, str], Operation]:
    """(type, name) → operation."""
    return OPERATIONS


OPERATIONS: Mapping[tuple[str, str], Operation] = MappingProxyType({})
