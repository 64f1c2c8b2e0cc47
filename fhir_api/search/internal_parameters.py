"""Parameters that nobody can search by, for what the server itself has to find: their names hold a colon.

``:attachment``   what an Attachment of the resource links to
``:context``      Binary.securityContext
``:has-patient``  whether a Device says anything of a patient, be it a name alone
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from fhir_api.definitions.elements import RESOURCE_TYPES, TYPES
from fhir_api.search.parameters import SearchParameter

ATTACHMENT: Final = ":attachment"
CONTEXT: Final = ":context"
HAS_PATIENT: Final = ":has-patient"

_DEEPEST: Final = 4
"""Elements within each other that are looked at; a Questionnaire's items have no end."""


@cache
def internal_parameters(type: str) -> tuple[SearchParameter, ...]:
    """Those of a resource type."""
    if type == "Binary":
        return (_parameter(CONTEXT, "reference", "Binary.securityContext"),)
    if type == "Device":
        expression = "Device.patient.exists() and Device.patient != false"
        return (_parameter(HAS_PATIENT, "token", expression),)
    urls = " | ".join(f"{path}.url" for path in _attachments(type, type, 0))
    return (_parameter(ATTACHMENT, "reference", urls),) if urls else ()


@cache
def types_with_attachments() -> tuple[str, ...]:
    """The types that have the parameter ``:attachment``."""
    return tuple(
        type
        for type in sorted(RESOURCE_TYPES)
        if any(parameter.code == ATTACHMENT for parameter in internal_parameters(type))
    )


def _attachments(type: str, path: str, depth: int) -> Iterator[str]:
    """The paths of a type's Attachments, as a search parameter's expression has them."""
    for name, element in TYPES[type].elements.items():
        below = f"{path}.{name.removesuffix('[x]')}"
        for of in element.types:
            if of == "Attachment":
                yield f"({below} as Attachment)" if name.endswith("[x]") else below
            elif of.startswith(f"{type}.") and depth < _DEEPEST:
                yield from _attachments(of, below, depth + 1)


def _parameter(code: str, type: str, expression: str) -> SearchParameter:
    return SearchParameter(code, type, (), expression, "", "")
