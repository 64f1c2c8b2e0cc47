"""The files of one upload, streamed to the staging directory of the blobs. Whatever happens, they do not stay there."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from imaging.archive.errors import EmptyUpload, UploadTooLarge
from store.errors import StoreUnavailable

_WRITE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One file as it arrives. Its name and type are what the sender says, and are not trusted."""

    chunks: AsyncIterator[bytes]
    filename: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Bounds on one upload."""

    max_files: int = 20_000
    max_file_bytes: int = 8 * 1024**3
    max_total_bytes: int = 32 * 1024**3


@dataclass(frozen=True, slots=True)
class StagedFile:
    index: int
    path: Path
    sha256: str
    size_bytes: int


async def stage(
    parts: AsyncIterator[Part], directory: Path, limits: UploadLimits, staged: list[StagedFile]
) -> None:
    """Writes every part to a file of its own and appends it to ``staged``, which the caller ends by ``discard``.

    Raises:
        EmptyUpload: there was no part.
        UploadTooLarge: past a limit; the parts after it are not read.
        StoreUnavailable: the disk is full or broken.
    """
    total = 0
    async for part in parts:
        if len(staged) >= limits.max_files:
            raise UploadTooLarge(f"more than {limits.max_files} files in one upload")
        allowed = min(limits.max_file_bytes, limits.max_total_bytes - total)
        file = await _stage_one(part.chunks, directory, len(staged), allowed)
        staged.append(file)
        total += file.size_bytes
    if not staged:
        raise EmptyUpload("the upload holds no file")


async def _stage_one(
    chunks: AsyncIterator[bytes], directory: Path, index: int, allowed: int
) -> StagedFile:
    path = directory / f"upload-{uuid.uuid4().hex}"
    digest = hashlib.sha256()
    size = 0
    with await asyncio.to_thread(path.open, "xb") as target:
        try:
            pending, waiting = [], 0
            async for chunk in chunks:
                pending.append(chunk)
                waiting += len(chunk)
                size += len(chunk)
                if size > allowed:
                    raise UploadTooLarge(f"file {index + 1} takes the upload past the size limit")
                if waiting >= _WRITE_BYTES:
                    await asyncio.to_thread(_write, target, digest, pending)
                    pending, waiting = [], 0
            await asyncio.to_thread(_write, target, digest, pending)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return StagedFile(index, path, digest.hexdigest(), size)


def _write(target: BinaryIO, digest: hashlib._Hash, chunks: list[bytes]) -> None:
    try:
        for chunk in chunks:
            digest.update(chunk)
            target.write(chunk)
        target.flush()
    except OSError as error:
        raise StoreUnavailable(f"the staging directory reports: {error.strerror}") from error


def discard(files: Iterable[StagedFile]) -> None:
    """Removes what was not taken over."""
    for file in files:
        if os.path.lexists(file.path):
            file.path.unlink(missing_ok=True)
