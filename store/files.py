"""Blobs as files named by their content's hash, for the embedded backend.

    blobs/ab/abcd…               the bytes (sha256 in hex)
    blobs/staging/<process>/     what is still being written; removed once its process is gone

A file is written and fsynced in staging, renamed to its name, and the folder fsynced: a name in ``ab`` always
has all its bytes, through kill and power loss.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, TypeVar

from store.errors import BlobNotFound, StoreError, StoreUnavailable
from store.interface import BlobInfo

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None  # type: ignore[assignment]

CHUNK_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SWEEP_BATCH = 200

T = TypeVar("T")


class FileBlobs:
    """Blobs below ``directory``. Several processes may use one directory."""

    def __init__(
        self, directory: Path, remove_unnamed: Callable[[list[str], int], Awaitable[int]]
    ) -> None:
        """``remove_unnamed`` calls ``remove`` (with the time it is given) for those of the given blobs that nothing
        names, while nothing new can name them.
        """
        self._directory = directory
        self._remove_unnamed = remove_unnamed
        directory.mkdir(parents=True, exist_ok=True)
        self._staging = _Staging(directory / "staging")
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="store-blobs")

    async def put(self, data: bytes) -> BlobInfo:
        return await self._in_thread(self._put, data)

    async def put_stream(self, chunks: AsyncIterator[bytes]) -> BlobInfo:
        file, path = await self._in_thread(self._staging.file)
        try:
            with file:
                sha256, waiting, size = hashlib.sha256(), bytearray(), 0
                async for chunk in chunks:
                    waiting += chunk
                    size += len(chunk)
                    if len(waiting) >= CHUNK_BYTES:
                        await self._in_thread(_append, file, sha256, waiting)
                        waiting = bytearray()
                await self._in_thread(_append, file, sha256, waiting)
                await self._in_thread(_sync, file)
            return await self._in_thread(self._keep, path, sha256.hexdigest(), size)
        finally:
            path.unlink(missing_ok=True)

    async def put_file(self, path: str) -> BlobInfo:
        return await self._in_thread(self._take, Path(path))

    def staging(self) -> str:
        return str(self._staging.directory)

    async def get(self, sha256: str) -> bytes:
        return await self._in_thread(self._get, sha256)

    async def stream(
        self, sha256: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        file = await self._in_thread(self._open, sha256)
        with file:
            file.seek(start)
            left = None if end is None else max(0, end - start)
            while left is None or left > 0:
                size = CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)
                chunk = await self._in_thread(file.read, size)
                if not chunk:
                    break
                if left is not None:
                    left -= len(chunk)
                yield chunk

    async def info(self, sha256: str) -> BlobInfo | None:
        path = self._path(sha256)
        try:
            return None if path is None else BlobInfo(sha256, path.stat().st_size)
        except FileNotFoundError:
            return None

    def local_path(self, sha256: str) -> str | None:
        path = self._path(sha256)
        return str(path) if path is not None and path.exists() else None

    async def sweep(self, older_than_us: int) -> int:
        old = await self._in_thread(self._older_than, older_than_us)
        removed = 0
        for at in range(0, len(old), _SWEEP_BATCH):
            removed += await self._remove_unnamed(old[at : at + _SWEEP_BATCH], older_than_us)
        return removed

    def exists(self, sha256: str) -> bool:
        path = self._path(sha256)
        return path is not None and path.exists()

    def remove(self, names: list[str], older_than_us: int) -> int:
        """Removes those that were not put again since; the caller has made sure that nothing names them."""
        removed = 0
        for sha256 in names:
            path = self._path(sha256)
            if path is not None and _is_older(path, older_than_us):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self._staging.close()

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, call, *arguments)
        except StoreError:
            raise
        except OSError as error:
            raise StoreUnavailable(f"the data directory reports: {error.strerror}") from error

    def _path(self, sha256: str) -> Path | None:
        if not _SHA256.fullmatch(sha256):
            return None
        return self._directory / sha256[:2] / sha256

    def _put(self, data: bytes) -> BlobInfo:
        sha256 = hashlib.sha256(data).hexdigest()
        if self._renewed(sha256):
            return BlobInfo(sha256, len(data))
        file, path = self._staging.file()
        try:
            with file:
                file.write(data)
                _sync(file)
            return self._keep(path, sha256, len(data))
        finally:
            path.unlink(missing_ok=True)

    def _take(self, path: Path) -> BlobInfo:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
            size = file.tell()
        try:
            return self._keep(path, sha256, size)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        # On another file system: copied, then removed.
        staged, copy = self._staging.file()
        try:
            with staged, path.open("rb") as file:
                shutil.copyfileobj(file, staged, CHUNK_BYTES)
                _sync(staged)
            info = self._keep(copy, sha256, size)
        finally:
            copy.unlink(missing_ok=True)
        path.unlink()
        return info

    def _keep(self, staged: Path, sha256: str, size: int) -> BlobInfo:
        if self._renewed(sha256):
            staged.unlink()
            return BlobInfo(sha256, size)
        path = self._path(sha256)
        assert path is not None
        if not path.parent.exists():
            path.parent.mkdir(exist_ok=True)
            sync_folder(self._directory)
        staged.rename(path)
        sync_folder(path.parent)
        return BlobInfo(sha256, size)

    def _renewed(self, sha256: str) -> bool:
        """Whether the bytes are there already; then they count as just put, so that no sweep takes them."""
        path = self._path(sha256)
        try:
            os.utime(path)  # type: ignore[arg-type]
        except FileNotFoundError:
            return False
        return True

    def _open(self, sha256: str) -> BinaryIO:
        path = self._path(sha256)
        try:
            if path is not None:
                return path.open("rb")
        except FileNotFoundError:
            pass
        raise BlobNotFound(f"there is no blob {sha256}")

    def _get(self, sha256: str) -> bytes:
        with self._open(sha256) as file:
            return file.read()

    def _older_than(self, older_than_us: int) -> list[str]:
        files = self._directory.glob("[0-9a-f][0-9a-f]/*")
        return [file.name for file in files if _is_older(file, older_than_us)]


class _Staging:
    """A folder of this process's own, locked while it lives; folders of processes that are gone are removed."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(exist_ok=True)
        self._lock: int | None = None
        if fcntl is not None:
            _remove_abandoned(parent)
        self.directory = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
        if fcntl is not None:
            self._lock = os.open(self.directory, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def file(self) -> tuple[BinaryIO, Path]:
        number, name = tempfile.mkstemp(dir=self.directory)
        return os.fdopen(number, "w+b"), Path(name)

    def close(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.iterdir():
        # A folder is locked right after it is made: a young unlocked one may belong to a process that is starting.
        try:
            if time.time() - folder.stat().st_mtime < 10:
                continue
            number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(number)


def _append(file: BinaryIO, sha256: hashlib._Hash, chunk: bytearray) -> None:
    sha256.update(chunk)
    file.write(chunk)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _is_older(path: Path, than_us: int) -> bool:
    try:
        return path.stat().st_mtime_ns // 1000 < than_us
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Makes the names in the folder survive power loss."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
