"""Signed statements about the chain (Ed25519): how far it went and what its root was, and what was let expire."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.space import replace_file

KEY_FILE: Final = "signing.key"
PUBLIC_FILE: Final = "signing.pub"
"""The public key in hexadecimal: a copy that is kept elsewhere tells whether the key was exchanged."""


class Checkpoint(msgspec.Struct, frozen=True, tag="checkpoint"):
    """The chain as it was at ``at_us``."""

    blocks: int
    events: int
    head: str
    root: str
    at_us: int


class Expiry(msgspec.Struct, frozen=True, tag="expiry"):
    """Blocks whose events were older than the retention, and removed."""

    blocks: tuple[int, ...]
    retention_days: int
    at_us: int


class Signed(msgspec.Struct, frozen=True):
    statement: Checkpoint | Expiry
    key: str
    signature: str

    def is_by(self, key: str) -> bool:
        """Whether the key (hexadecimal) signed just this."""
        if self.key != key:
            return False
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            public.verify(bytes.fromhex(self.signature), _signed_bytes(self.statement))
        except (ValueError, InvalidSignature):
            return False
        return True


class Signer:
    """The deployment's key, made at first use, readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / KEY_FILE
        if not path.is_file():
            replace_file(path, Ed25519PrivateKey.generate().private_bytes_raw())
        self._key = Ed25519PrivateKey.from_private_bytes(path.read_bytes())
        self.public = self._key.public_key().public_bytes_raw().hex()
        if not (folder / PUBLIC_FILE).is_file():
            replace_file(folder / PUBLIC_FILE, f"{self.public}\n".encode(), 0o644)

    def sign(self, statement: Checkpoint | Expiry) -> Signed:
        return Signed(statement, self.public, self._key.sign(_signed_bytes(statement)).hex())


def _signed_bytes(statement: Checkpoint | Expiry) -> bytes:
    return b"healthvision audit\n" + msgspec.json.encode(statement)
