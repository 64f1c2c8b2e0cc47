"""Stored instances as files to read from, and as DICOM in the transfer syntax that a client asks for."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian

from imaging.archive.records import InstanceRecord
from imaging.dicomweb.errors import NotAcceptable
from imaging.dicomweb.recode import recode
from imaging.formats import Format, Limits
from imaging.isolation import DecoderProcesses
from store.interface import Store

AS_STORED = "*"
_CHUNK_BYTES = 1024 * 1024


@contextlib.asynccontextmanager
async def local_file(store: Store, instance: InstanceRecord) -> AsyncIterator[Path]:
    """A file with the instance's bytes: the blob itself, or a copy that lives as long as the context."""
    path = store.blobs.local_path(instance.sha256)
    if path is not None:
        yield Path(path)
        return
    with tempfile.NamedTemporaryFile(dir=store.blobs.staging()) as copy:
        async for chunk in store.blobs.stream(instance.sha256):
            await asyncio.to_thread(copy.write, chunk)
        await asyncio.to_thread(copy.flush)
        yield Path(copy.name)


@dataclass(frozen=True, slots=True)
class Served:
    """How an instance goes out. ``transfer_syntax`` None: no DICOM. ``recode``: not as it is stored."""

    media_type: str
    transfer_syntax: str | None
    recode: bool

    @property
    def content_type(self) -> str:
        if self.transfer_syntax is None:
            return self.media_type
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def served_as(instance: InstanceRecord, transfer_syntax: str | None) -> Served:
    """``transfer_syntax`` as the client asks: None is Explicit VR Little Endian, ``*`` is as stored (PS3.18 8.7.3.5.2).

    Raises:
        NotAcceptable: the instance cannot be had in that transfer syntax.
    """
    if instance.format is not Format.DICOM:
        return Served(instance.format, None, recode=False)
    stored = instance.transfer_syntax_uid or ExplicitVRLittleEndian
    wanted = transfer_syntax or ExplicitVRLittleEndian
    if wanted in {AS_STORED, stored}:
        return Served(Format.DICOM, stored, recode=False)
    if wanted != ExplicitVRLittleEndian or not _decodable(stored):
        raise NotAcceptable(f"an instance cannot be had in transfer syntax {UID(wanted).name}")
    return Served(Format.DICOM, ExplicitVRLittleEndian, recode=True)


def _decodable(transfer_syntax: str) -> bool:
    uid = UID(transfer_syntax)
    if not uid.is_compressed:
        return True
    try:
        return bool(get_decoder(uid).is_available)
    except NotImplementedError:
        return False


@dataclass(frozen=True, slots=True)
class Recoder:
    """Where instances are recoded, and up to which size."""

    processes: DecoderProcesses
    limits: Limits


async def instance_bytes(
    store: Store, instance: InstanceRecord, served: Served, recoder: Recoder
) -> AsyncIterator[bytes]:
    """The bytes of an instance, in pieces.

    Raises:
        ImageError: it has to be recoded and cannot be decoded.
        NotAcceptable: it has to be recoded, and no decoder reads this variant of its transfer syntax.
    """
    if not served.recode:
        async for chunk in store.blobs.stream(instance.sha256):
            yield chunk
        return
    with tempfile.NamedTemporaryFile(dir=store.blobs.staging()) as target:
        async with local_file(store, instance) as path:
            await recoder.processes.run(recode, path, Path(target.name), recoder.limits)
        while chunk := await asyncio.to_thread(target.read, _CHUNK_BYTES):
            yield chunk
