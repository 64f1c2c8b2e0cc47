"""The gate: what we author is checked by typed R4 models before it leaves.

The dictionary is what travels, exactly as written here; ``fhir.resources`` only reads it. That costs a third of a
millisecond a resource, so it reads what it has not seen yet: which elements a resource has, and what kind of value
each holds. Reports differ in little else. R4B differs from R4 in none of the types that results use.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fhir.resources.R4B.binary import Binary
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.documentreference import DocumentReference
from fhir.resources.R4B.media import Media
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.organization import Organization
from fhir.resources.R4B.provenance import Provenance

_TYPES: Mapping[str, Any] = MappingProxyType(
    {
        "Binary": Binary,
        "Device": Device,
        "DiagnosticReport": DiagnosticReport,
        "DocumentReference": DocumentReference,
        "Media": Media,
        "Observation": Observation,
        "Organization": Organization,
        "Provenance": Provenance,
    }
)


_accepted: set[tuple[str, object]] = set()
"""Types with the shapes that passed. There are as many as the code here has branches."""


def authored(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource without its empty members, once its typed model has accepted it.

    Raises:
        ValueError: a bug of ours: the resource is not R4. The text names elements and values of that resource.
    """
    said = {name: value for name, value in resource.items() if value not in (None, [], {}, "")}
    shape = (said["resourceType"], _shape(said))
    if shape not in _accepted:
        # A payload was encoded a moment ago: decoding it again would prove nothing.
        checked = said | {"data": "AA=="} if "data" in said else said
        _TYPES[said["resourceType"]].model_validate(checked)
        _accepted.add(shape)
    return said


def _shape(value: object) -> object:
    """The names of the elements and the types of their values, without the values."""
    if isinstance(value, dict):
        return tuple((name, _shape(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return frozenset(map(_shape, value))
    return type(value)


def reference(target: dict[str, Any]) -> dict[str, str]:
    """A Reference to a resource that stands in the same Bundle or was stored before."""
    return {"reference": f"{target['resourceType']}/{target['id']}"}
