"""The deployment's own key, made once and kept beside its data."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_BYTES = 64
_FILE = "deployment.key"


def deployment_key(data_dir: Path) -> bytes:
    """The key of this data folder: 64 random bytes, readable by its owner alone.

    Several processes may ask at once; all get the one that was there first.
    """
    path = data_dir / _FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    data_dir.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return path.read_bytes()
    finally:
        draft.unlink()
    return path.read_bytes()


def is_deployment(data_dir: Path) -> bool:
    """Whether the folder has a key: a server has run there."""
    return (data_dir / _FILE).is_file()


def derived(key: bytes, purpose: str) -> bytes:
    """A key of 64 bytes for one purpose, so that no two uses share one (HMAC-SHA-512)."""
    return hmac.new(key, purpose.encode(), hashlib.sha512).digest()
