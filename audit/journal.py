"""Accesses that changed nothing, handed to the operating system before they are answered: one file for each process.

A line is one ``write`` to a file opened with O_APPEND: SIGKILL loses none that was answered. Within 100 ms it is on disk, or
before the answer where the deployment wants that. The file is locked as long as its process lives, so that whoever
delivers the lines knows which files are nobody's any more.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from audit.errors import JournalUnavailable
from store.files import sync_folder

SUFFIX: Final = ".journal"
SYNC_AFTER_S: Final = 0.05
"""What was written is on disk so long after, and what the disk itself takes."""
LARGEST_BYTES: Final = 32 * 2**20
"""Then another file is begun, so that what was delivered can be removed."""


class Journal:
    """The lines of this process. Used on one event loop."""

    def __init__(self, folder: Path, *, sync_before_answer: bool = False) -> None:
        """Begins a file in ``folder``.

        Raises:
            JournalUnavailable: that is not possible.
        """
        self._folder = folder
        self._sync_before_answer = sync_before_answer
        self._disk = ThreadPoolExecutor(1, "audit-journal")
        self._due: asyncio.TimerHandle | None = None
        self._torn = False
        self._begin()

    def append(self, line: bytes) -> None:
        """Hands a line to the operating system.

        Raises:
            JournalUnavailable: it was not taken as a whole.
        """
        whole = b"\n%b\n" % line if self._torn else b"%b\n" % line
        try:
            if self._size > LARGEST_BYTES:
                self._disk.submit(_end, self._file)
                self._begin()
            written = os.write(self._file, whole)
        except OSError as error:
            raise JournalUnavailable(error.strerror or "the journal cannot be written") from error
        self._size += written
        self._torn = written < len(whole)
        if self._torn:
            raise JournalUnavailable("the journal took a part of a line")
        if self._due is None and not self._sync_before_answer:
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(SYNC_AFTER_S, self._sync_soon)

    async def settle(self, *, at_once: bool = False) -> None:
        """Returns when what was appended is as safe as the deployment wants it before an answer; ``at_once``: on disk.

        Raises:
            JournalUnavailable: the disk refused.
        """
        if not (self._sync_before_answer or at_once):
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, os.fdatasync, self._file)
        except OSError as error:
            raise JournalUnavailable(error.strerror or "the journal cannot be synced") from error

    def close(self) -> None:
        """Ends the file; its lines stay until they are delivered."""
        if self._due is not None:
            self._due.cancel()
        self._disk.submit(_end, self._file)
        self._disk.shutdown()

    def _sync_soon(self) -> None:
        self._due = None
        self._disk.submit(os.fdatasync, self._file)

    def _begin(self) -> None:
        """A file gets its name once it is locked: nobody may take it for a dead process's."""
        name = secrets.token_hex(16)
        draft = self._folder / f".{name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            draft.rename(self._folder / f"{name}{SUFFIX}")
            sync_folder(self._folder)
        except OSError as error:
            raise JournalUnavailable(error.strerror or "the journal cannot be made") from error
        self._file, self._size = file, 0


def _end(file: int) -> None:
    os.fdatasync(file)
    os.close(file)
