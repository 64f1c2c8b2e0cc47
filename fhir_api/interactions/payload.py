"""A Binary's bytes: they live in the blob store, the resource beside them keeps everything but ``data``.

https://hl7.org/fhir/R4/binary.html
"""

from __future__ import annotations

import msgspec

from fhir_api.api import Api
from fhir_api.base64_text import decoded, encoded
from fhir_api.document import Tree, joined, members_of
from fhir_api.errors import Category, FhirError
from store.interface import Version

IN_BLOB = b'""'
"""What stands for ``data`` in the stored JSON where the blob is all of it. R4 allows no empty string, so it is ours."""


STAND_IN = b'"AA=="'
"""What stands for ``data`` while it is set aside: whoever looks finds that there are some."""


def set_aside(body: bytes) -> tuple[bytes, bytes | None]:
    """A Binary's JSON with a short ``data``, and the bytes that its own stands for.

    Between here and the blob store the JSON is read a dozen times, and a file's base64 would be each time. None:
    the JSON is as it was, because its ``data`` are missing, no base64, or spelled otherwise than we do.
    """
    try:
        members = members_of(body)
    except msgspec.DecodeError:
        return body, None
    sent = bytes(members.get("data", b""))
    try:
        payload = decoded(sent[1:-1].decode("ascii"))
    except ValueError:
        return body, None
    if not payload or b'"%s"' % encoded(payload) != sent:
        return body, None
    return joined({**members, "data": STAND_IN}), payload


async def keep_payload(api: Api, body: bytes, payload: bytes) -> tuple[bytes, str]:
    """Stores what was set aside; answers the JSON to store and the blob's sha256."""
    info = await api.store.blobs.put(payload)
    return joined({**members_of(body), "data": IN_BLOB}), info.sha256


async def take_payload(api: Api, tree: Tree, body: bytes) -> tuple[bytes, str | None]:
    """Stores what ``data`` holds.

    Returns:
        The JSON to store and the blob's sha256. ``data`` stays in the JSON where it is base64 in another spelling
        than ours (line breaks), so that it comes back as it was sent.

    Raises:
        FhirError: ``data`` is not base64.
    """
    data = tree.get("data")
    if data is None:
        return body, None
    try:
        payload = decoded(data)
    except ValueError as exc:
        text = "Binary.data is not base64."
        raise FhirError(Category.UNPROCESSABLE, text, "Binary.data") from exc
    info = await api.store.blobs.put(payload)
    if encoded(payload).decode() == data:
        body = joined({**members_of(body), "data": IN_BLOB})
    return body, info.sha256


async def with_payload(api: Api, version: Version) -> bytes:
    """The Binary as FHIR JSON, ``data`` and all.

    Raises:
        FhirError: too large to be one JSON document; its own media type streams it.
    """
    members = members_of(version.content)
    if version.blob is None or bytes(members.get("data", b"")) != IN_BLOB:
        return version.content
    info = await api.store.blobs.info(version.blob)
    if info and info.size_bytes > api.options.max_body_bytes:
        text = "The Binary is too large for JSON: ask for it by its own media type."
        raise FhirError(Category.TOO_COSTLY, text, "Binary.data")
    payload = await api.store.blobs.get(version.blob)
    return joined({**members, "data": b'"%s"' % encoded(payload)})
