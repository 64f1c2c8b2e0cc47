"""WADO-RS retrieval of whole instances: which of them, in which form, as one stream.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.4.html
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence

from starlette.responses import Response, StreamingResponse

from imaging.archive.records import InstanceRecord
from imaging.dicomweb.accept import Accepted
from imaging.dicomweb.errors import NotAcceptable
from imaging.dicomweb.files import Recoder, Served, instance_bytes, served_as
from imaging.dicomweb.multipart import closing, part_header
from imaging.dicomweb.qido import instance_url
from imaging.formats import Format
from store.interface import Store


async def retrieve(
    store: Store,
    instances: Sequence[InstanceRecord],
    accept: Sequence[Accepted],
    recoder: Recoder,
    base_url: str,
) -> Response:
    """Answers with the instances in the form that the client likes best.

    Raises:
        NotAcceptable: it likes none that they can be had in.
        ImageError: the first of them has to be recoded and cannot be decoded.
    """
    single = _single_part(instances, accept)
    if single is not None:
        instance, served = single
        body = await _begun(instance_bytes(store, instance, served, recoder))
        headers = {} if served.recode else {"content-length": str(instance.size_bytes)}
        return StreamingResponse(body, headers=headers, media_type=served.content_type)
    chosen = [(instance, _multipart_form(instance, accept)) for instance in instances]
    boundary = uuid.uuid4().hex
    body = await _begun(_multipart(store, chosen, boundary, recoder, base_url))
    kinds = {served.media_type for _, served in chosen}
    kind = kinds.pop() if len(kinds) == 1 else "application/dicom"
    media_type = f'multipart/related; type="{kind}"; boundary={boundary}'
    return StreamingResponse(body, media_type=media_type)


def _single_part(
    instances: Sequence[InstanceRecord], accept: Sequence[Accepted]
) -> tuple[InstanceRecord, Served] | None:
    """One instance may go out without multipart where the client names its media type just so, and first."""
    if len(instances) != 1:
        return None
    instance = instances[0]
    for one in accept:
        if not one.covers(instance.format):
            continue
        if one.multipart or (one.name == "*/*" and instance.format is Format.DICOM):
            return None
        return instance, served_as(instance, one.transfer_syntax)
    return None


def _multipart_form(instance: InstanceRecord, accept: Sequence[Accepted]) -> Served:
    refusal: NotAcceptable | None = None
    for one in accept:
        if not one.covers(instance.format) or not (one.multipart or one.name == "*/*"):
            continue
        try:
            return served_as(instance, one.transfer_syntax)
        except NotAcceptable as error:
            refusal = error
    raise refusal or NotAcceptable(f"an instance is {instance.format.value}, which is not accepted")


async def _multipart(
    store: Store,
    chosen: Sequence[tuple[InstanceRecord, Served]],
    boundary: str,
    recoder: Recoder,
    base_url: str,
) -> AsyncIterator[bytes]:
    for instance, served in chosen:
        header = part_header(
            boundary,
            {
                "Content-Type": served.content_type,
                "Content-Location": instance_url(instance, base_url),
            },
        )
        async for chunk in instance_bytes(store, instance, served, recoder):
            yield header + chunk
            header = b""
        yield b"\r\n"
    yield closing(boundary)


async def _begun(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Makes the first piece now, so that what goes wrong with it becomes an error answer instead of a broken stream."""
    first = await anext(stream, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in stream:
            yield chunk

    return whole()
