"""create of an AuditEvent by another system (https://profiles.ihe.net/ITI/BALP/CapabilityStatement-IHE.BALP.ATNA.AuditRecordRepository.html).

One that is legible R4 is taken, whether or not it keeps the profiles that it claims. It is on disk in the journal when it is
answered, and found by a search a moment later.
"""

from __future__ import annotations

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.auditing import keep_event
from fhir_api.document import Tree, parse, stamp
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response, instant
from fhir_api.interactions.representation import written
from fhir_api.interactions.write import checked, new_id
from store.interface import Version


async def record_event(api: Api, request: Request) -> Response:
    """201 with Location; an id that the client sent is ignored.

    Raises:
        FhirError: not an AuditEvent of R4; there is no audit here; it cannot be kept now.
    """
    type = request.path[0]
    decide(request.caller, Interaction.CREATE, type)
    if api.journal is None:
        raise FhirError(Category.NOT_SUPPORTED, "No AuditEvents are kept here.", type)
    if request.query or "if-none-exist" in request.headers:
        text = "AuditEvents are not created conditionally."
        raise FhirError(Category.INVALID, text, "http.If-None-Exist")
    tree = parse(request.body, api.options.max_depth)
    checked(api, type, _without_claims(tree), request.body)
    now_us = api.clock()
    id = new_id(now_us)
    content = stamp(request.body, id, 1, instant(now_us))
    await keep_event(api.journal, now_us, request, id, content)
    version = Version(type, id, 1, now_us, "POST", content)
    return await written(api, request, version, 201)


def _without_claims(tree: Tree) -> Tree:
    """The AuditEvent without the profiles that it says it keeps."""
    meta = tree.get("meta")
    if not isinstance(meta, dict) or "profile" not in meta:
        return tree
    rest = {name: value for name, value in meta.items() if name != "profile"}
    without = {name: value for name, value in tree.items() if name != "meta"}
    return {**without, "meta": rest} if rest else without
