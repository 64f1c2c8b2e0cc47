"""Whose a resource is: the Patients that it refers to as its own, by its JSON alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import orjson

from fhir_api.definitions.compartments import COMPARTMENTS, SELF
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.patient_policy import PATIENT
from fhir_api.search.parameters import SearchParameter, parameters_of
from fhir_api.search.partial import partial_extractor
from store.entries import ReferenceEntry

ALSO = ("patient", "subject")
"""Parameters that lead to a Patient where R4's compartment does not: Task.for, Device.patient, Group."""


def patients_in(type: str, content: bytes, base_url: str = "") -> Sequence[str]:
    """The ids of the Patients that a resource of ``type`` concerns, each once, in the order of its elements."""
    if type not in RESOURCE_TYPES:
        return ()
    if type == PATIENT:
        return (str(orjson.loads(content)["id"]),)
    parameters = _parameters(type)
    if not parameters:
        return ()
    entries = partial_extractor(type, parameters)(content, base_url)
    found = {
        entry.target_id: None
        for entry in entries
        if isinstance(entry, ReferenceEntry) and entry.target_type == PATIENT and entry.target_id
    }
    return tuple(found)


@cache
def _parameters(type: str) -> tuple[SearchParameter, ...]:
    known = parameters_of(type)
    codes = [*COMPARTMENTS[PATIENT].get(type, ()), *ALSO]
    wanted = dict.fromkeys(code for code in codes if code != SELF and code in known)
    return tuple(known[code] for code in wanted if known[code].type == "reference")
