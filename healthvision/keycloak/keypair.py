"""The key pair that workers prove themselves with."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from inference.signing_key import signing_key


def write_keypair(file: Path) -> Path:
    """Makes a key on P-384 (ES384) in ``file``, which its owner alone may read.

    Returns:
        The file of its public side beside it, a JWK Set (``.jwks``).

    Raises:
        OSError: one of the two is there already, or cannot be written.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = json.dumps({"keys": [signing_key(key).public_jwk]}, indent=2).encode() + b"\n"
    public_file = file.with_suffix(".jwks")
    _write_new(file, pem, 0o600)
    _write_new(public_file, public, 0o644)
    return public_file


def _write_new(file: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
