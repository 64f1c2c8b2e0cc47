"""Whose bytes a Binary holds: it says nothing of a patient itself.

``securityContext`` decides alone where it is there (https://hl7.org/fhir/R4/binary.html#security); else what links to
the Binary from an Attachment.
"""

from __future__ import annotations

import orjson

from fhir_api.api import Api
from fhir_api.patient_policy import PATIENT
from fhir_api.search.internal_parameters import ATTACHMENT, types_with_attachments
from fhir_api.search.reference_target import target_of
from store.interface import Version
from store.query import NOTHING_MEETS, IdIn, Query, ReferenceIs, Visible


async def is_shown(api: Api, binary: Version, patient: str, visible: Visible) -> bool:
    """Whether the bytes are the patient's own, or stand for or belong to something that is ``visible``."""
    content = orjson.loads(binary.content)
    if "securityContext" not in content:
        return await _is_attached(api, binary.id, visible)
    literal = content["securityContext"].get("reference")
    target = target_of(literal, api.options.base_url) if isinstance(literal, str) else None
    if target is None or target.type is None or target.id is None:
        return False
    if target.type == PATIENT:
        return target.id == patient
    conditions = visible(target.type)
    if conditions == NOTHING_MEETS:
        return False
    return await api.store.count(Query(target.type, (IdIn((target.id,)), *conditions))) > 0


async def _is_attached(api: Api, id: str, visible: Visible) -> bool:
    for type in types_with_attachments():
        conditions = visible(type)
        if conditions == NOTHING_MEETS:
            continue
        query = Query(type, (ReferenceIs(ATTACHMENT, "Binary", id), *conditions))
        if await api.store.count(query):
            return True
    return False
