"""Which kind of patch a body is, by its media type (https://hl7.org/fhir/R4/http.html#patch)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial

from fhir_api.api import Api
from fhir_api.document import parse
from fhir_api.errors import Category, FhirError
from fhir_api.http import FHIR_JSON
from fhir_api.interactions.write import draft
from fhir_api.negotiation import FHIR_JSON_TYPES, media_type
from fhir_api.patches.fhirpath_patch import apply_fhirpath_patch, read_fhirpath_patch
from fhir_api.patches.json_patch import apply_json_patch, read_json_patch

JSON_PATCH = "application/json-patch+json"

DEEPEST = 250
"""Levels of an entry's resource, whose Bundle has met the deployment's own limit already."""

Patch = Callable[[bytes], bytes]
"""A resource's JSON → what the patch makes of it; raises FhirError where it cannot be applied."""


def read_patch(api: Api, content_type: str, body: bytes) -> Patch:
    """The patch that a body says.

    Raises:
        FhirError: no kind of patch that is taken (415), or it is not legible (400).
    """
    limits = api.options
    kind = media_type(content_type)
    if kind == JSON_PATCH:
        json_patch = read_json_patch(body, limits.max_depth)
        return partial(apply_json_patch, json_patch, most_bytes=limits.max_body_bytes)
    if kind in FHIR_JSON_TYPES:
        draft(api, "Parameters", body)
        fhirpath_patch = read_fhirpath_patch(body)
        return partial(apply_fhirpath_patch, fhirpath_patch, most_bytes=limits.max_body_bytes)
    text = f"A patch is {JSON_PATCH}, or a FHIRPath Patch: Parameters in {FHIR_JSON} or XML."
    raise FhirError(Category.MEDIA_TYPE, text, "http.Content-Type")


def patch_of_entry(resource: bytes) -> tuple[str, bytes]:
    """The media type and body of a patch in a Bundle: a FHIRPath Patch as Parameters, any other in a Binary.

    https://hl7.org/fhir/R4/http.html#patch

    Raises:
        FhirError: it is not that, or its data are not base64.
    """
    tree = parse(resource, DEEPEST)
    data, content_type = tree.get("data"), tree.get("contentType")
    if tree.get("resourceType") == "Parameters":
        return FHIR_JSON, resource
    if tree.get("resourceType") != "Binary" or not isinstance(data, str):
        text = "A patch in a Bundle is Parameters (FHIRPath Patch), or a Binary that holds a JSON Patch."
        raise FhirError(Category.INVALID, text)
    try:
        return str(content_type), base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        text = "The patch in the Binary is not base64."
        raise FhirError(Category.INVALID, text, "Binary.data") from exc
