"""Small files that are replaced as a whole, and survive power loss once they are."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from store.files import sync_folder


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Makes ``content`` the file's: before or after, never a part of it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    sync_folder(path.parent)
